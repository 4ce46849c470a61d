"""A gateway's wrap keys over their life: made, put in force, taken up, ended and destroyed."""

import os
import shutil
import stat

import pytest

from broker.assembly.keys import keys_in
from broker.assembly.realm import local_directory, operator_keys, renew_directory
from broker.assembly.wrap import WrapRing, destroy_ended, key_path, kid_of, make_if_due, make_key, own_keys
from broker.cli.deployment import create
from broker.config import GatewaySettings, load
from broker.crypto.keyfile import destroy, read_key, write_secret
from broker.crypto.keystore import KeyStore
from broker.crypto.sealing import Passphrase, is_sealed, seal, seal_like, unseal
from broker.errors import IntegrityError, SignatureError
from schemas.directory import KeyUse
from schemas.wrap import MAX_KEYS

DAY = 86_400


class Time:
    def __init__(self, at):
        self.at = at

    def __call__(self):
        return self.at


START = 1_796_000_000


@pytest.fixture(scope="module")
def founded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("founded") / "d"
    create(folder, now=Time(START))
    return folder


class Site:
    def __init__(self, folder):
        self.now = Time(float(START))
        self.settings = load(GatewaySettings, folder / "setu.toml")
        self.folder = folder / "wrap"

    def snapshot(self):
        return local_directory(self.settings, now=self.now).current()

    def rows(self):
        return own_keys(self.snapshot(), "in-setu").keys

    def held(self):
        return {kid_of(path) for path in self.folder.glob("*.key")}

    def pass_time(self, seconds):
        """As a gateway that runs, which keeps the operator's metadata fresh."""
        self.now.at += seconds
        settings = self.settings
        renew_directory(
            settings.at(settings.paths.directory), operator_keys(settings.at(settings.paths.realm_keys)), now=self.now
        )

    def make(self):
        return make_if_due(self.settings, self.snapshot(), now=self.now)

    def destroy(self):
        return destroy_ended(self.settings, self.snapshot(), now=self.now)


@pytest.fixture
def site(founded, tmp_path):
    shutil.copytree(founded, tmp_path / "d")
    return Site(tmp_path / "d")


def test_a_new_deployment_has_one_and_it_is_kept_as_keys_are(site):
    (row,) = site.rows()
    assert site.held() == {row.kid}
    path = key_path(site.folder, row.kid)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_key(path, KeyUse.WRAP).public.kid == row.kid
    assert row.not_after - row.not_before == 2 * DAY + 300


def test_another_is_made_after_a_day_and_not_before(site):
    site.pass_time(DAY - 60)
    assert site.make() is None
    site.pass_time(61)
    made = site.make()
    assert [row.kid for row in site.rows()][-1] == made.key.kid
    assert made.version == 2
    assert site.make() is None
    assert site.snapshot().wrap_key("in-setu", int(site.now())).kid == made.key.kid


def test_by_hand_at_any_time(site):
    kids = {make_key(site.settings, now=site.now).key.kid for _ in range(2)}
    assert kids < {row.kid for row in site.rows()}
    assert len(site.held()) == 3


def test_a_key_that_finds_no_place_leaves_no_file(site):
    for _ in range(MAX_KEYS - 1):
        make_key(site.settings, now=site.now)
    before = site.held()
    with pytest.raises(IntegrityError, match=f"fewer than {MAX_KEYS}"):
        make_key(site.settings, now=site.now)
    assert site.held() == before


def test_a_half_destroyed_file_goes_at_once_and_is_no_key_before(site):
    before = site.held()
    going = site.folder / f".wrap-{'z' * 43}.key.going"
    shutil.copy(next(site.folder.glob("*.key")), going)
    assert site.held() == before
    site.destroy()
    assert (going.exists(), site.held()) == (False, before)


def test_an_old_private_half_is_destroyed_once_its_key_ended(site):
    (first,) = site.held()
    site.pass_time(DAY + 1)
    site.make()
    site.pass_time(DAY - 300)
    assert (site.destroy(), len(site.held())) == ([], 2)
    site.pass_time(300 + 60)
    assert site.destroy() == [first]
    assert first not in site.held()
    assert site.destroy() == []


def test_what_was_away_for_a_week_makes_one_and_destroys_the_rest(site):
    site.pass_time(7 * DAY)
    made = site.make()
    site.destroy()
    assert site.held() == {made.key.kid}
    assert [row.kid for row in site.rows()] == [made.key.kid]


def test_a_private_half_whose_public_half_was_never_published_goes_with_time(site):
    """As after a crash between the two."""
    stray = site.folder / f".wrap-{'y' * 43}.key.part"
    for path in (key_path(site.folder, "x" * 43), stray):
        shutil.copy(next(site.folder.glob("*.key")), path)
        os.utime(path, (site.now(), site.now()))
    assert site.destroy() == []
    site.pass_time(2 * DAY + 61)
    assert "x" * 43 in site.destroy()
    assert not stray.exists()


def test_nothing_else_is_destroyed_whatever_folder_the_settings_name(site):
    keys = site.folder.parent / "keys"
    settings = site.settings.model_copy(
        update={"paths": site.settings.paths.model_copy(update={"wrap_keys": keys.relative_to(site.folder.parent)})}
    )
    before = {path.name for path in keys.iterdir()}
    site.pass_time(100 * DAY)
    assert destroy_ended(settings, site.snapshot(), now=site.now) == []
    assert {path.name for path in keys.iterdir()} == before


def test_what_cannot_be_put_in_force_is_not_in_force(site):
    for path in (site.folder.parent / "realm/keys").glob("wrap-in-setu-mldsa65.key"):
        path.unlink()
    before = site.rows()
    with pytest.raises(IntegrityError, match="signed by 1/2 keys"):
        make_key(site.settings, now=site.now)
    assert site.rows() == before
    assert site.held() == {row.kid for row in before}, "the private half, which was written first, is gone again"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("lost", [pytest.param(False, id="beside-others"), pytest.param(True, id="the-folder-is-lost")])
def test_what_root_makes_as_from_cron_the_gateway_can_read(site, lost):
    owner, home = 12_345, site.folder.parent
    for path in (home, site.folder):
        os.chown(path, owner, owner)
    if lost:
        shutil.rmtree(site.folder)
    made = make_key(site.settings, now=site.now).key
    for path in (site.folder, site.folder / ".lock", key_path(site.folder, made.kid)):
        assert (path.stat().st_uid, path.stat().st_gid) == (owner, owner), path


def test_a_folder_that_cannot_be_written_to_is_said_and_keeps_no_gateway_from_starting(site):
    shutil.rmtree(site.folder)
    site.folder.write_text("no folder")
    site.pass_time(2 * DAY)
    with pytest.raises(IntegrityError, match="Expected to write a wrap key"):
        site.make()


def test_too_many_leave_no_private_halves_behind(site):
    for _ in range(MAX_KEYS - 1):
        make_key(site.settings, now=site.now)
    before = site.held()
    with pytest.raises(IntegrityError, match="fewer than 64"):
        make_key(site.settings, now=site.now)
    assert site.held() == before


def test_a_clock_that_went_ahead_and_came_back_leaves_no_gap(site):
    """Those before it were destroyed, and what was made is not good yet."""
    site.pass_time(10 * DAY)
    ahead = site.make().key
    site.destroy()
    site.now.at -= 10 * DAY
    with pytest.raises(SignatureError):
        site.snapshot().wrap_key("in-setu", int(site.now()))
    made = site.make().key
    assert site.snapshot().wrap_key("in-setu", int(site.now())).kid == made.kid != ahead.kid
    assert site.make() is None
    assert site.destroy() == []


def test_one_that_cannot_be_destroyed_keeps_no_other(site):
    (first,) = site.held()
    bad = key_path(site.folder, "-" * 43)
    bad.symlink_to(key_path(site.folder, first).name)
    site.pass_time(3 * DAY)
    with pytest.raises(IntegrityError, match="Expected to destroy"):
        site.destroy()
    assert not key_path(site.folder, first).exists()


def test_without_the_roles_keys_nothing_is_made_and_ended_ones_are_destroyed(site):
    for path in (site.folder.parent / "realm/keys").glob("wrap-*.key"):
        path.unlink()
    site.pass_time(3 * DAY)
    assert site.make() is None
    assert len(site.destroy()) == 1


def test_a_ring_takes_up_what_another_process_made_and_forgets_what_is_gone(site):
    ring = WrapRing({}, site.folder, KeyStore())
    (first,) = site.held()
    assert ring[first].public.kid == first
    made = make_key(site.settings, now=site.now).key.kid
    assert made in ring
    assert len(ring) == 2
    destroy(key_path(site.folder, first))
    ring.look()
    assert set(ring) == {made}
    assert first not in ring


def test_a_file_that_is_no_key_keeps_the_others_from_nothing(site):
    (first,) = site.held()
    bad = key_path(site.folder, "y" * 43)
    bad.write_text("nothing")
    bad.chmod(0o600)
    ring = WrapRing({}, site.folder, KeyStore())
    with pytest.raises(IntegrityError, match="key file"):
        ring.look()
    assert ring[first].public.kid == first
    assert "y" * 43 not in ring


def test_a_key_under_anothers_name_is_not_taken_for_it(site):
    (first,) = site.held()
    shutil.copy(key_path(site.folder, first), key_path(site.folder, "y" * 43))
    ring = WrapRing({}, site.folder, KeyStore())
    with pytest.raises(IntegrityError, match="that it is named by"):
        ring.look()
    assert set(ring) == {first}


def test_what_is_held_stays_where_the_folder_cannot_be_read(site):
    ring = WrapRing({}, site.folder, KeyStore())
    (first,) = site.held()
    ring.look()
    site.folder.rename(site.folder.with_name("away"))
    site.folder.write_text("no folder")
    with pytest.raises(IntegrityError, match="Expected to read the folder of wrap keys"):
        ring.look()
    assert ring[first].public.kid == first
    assert "y" * 43 not in ring


def test_fixed_keys_stay(site):
    fixed = {key.public.kid: key for use, key in keys_in(site.folder) if use == KeyUse.WRAP}
    ring = WrapRing(fixed, site.folder.parent / "none", KeyStore())
    ring.look()
    assert set(ring) == set(fixed)


def test_destroying_overwrites_what_the_file_held(tmp_path):
    path, link = tmp_path / "secret", tmp_path / "beside"
    path.write_bytes(b"s" * 64)
    os.link(path, link)
    destroy(path)
    assert not path.exists()
    assert len(link.read_bytes()) == 64
    assert b"ssss" not in link.read_bytes()
    destroy(path)


def test_a_key_is_sealed_as_the_others_are():
    words = Passphrase(lambda: b"correct horse battery staple")
    other = seal(b"one", {"form": "pem"}, words, b"s" * 16, random=os.urandom, cost=2**10)
    made = seal_like(other, b"two", {"form": "setu1.key"}, words, "x", os.urandom)
    assert is_sealed(made)
    assert unseal(made, words, "x") == b"two"
    with pytest.raises(IntegrityError, match="passphrase"):
        seal_like(other, b"two", {}, Passphrase(lambda: b"another"), "x", os.urandom)


def test_what_is_written_is_kept_as_its_neighbour_is(tmp_path):
    words = Passphrase(lambda: b"correct horse battery staple")
    plain, closed = tmp_path / "plain.key", tmp_path / "sealed.key"
    write_secret(plain, b"in clear")
    write_secret(closed, seal(b"one", {"form": "pem"}, words, b"s" * 16, random=os.urandom, cost=2**10))
    assert KeyStore(words).like(plain, b"two", {}, os.urandom) == b"two"
    assert unseal(KeyStore(words).like(closed, b"two", {}, os.urandom), words, "x") == b"two"
    with pytest.raises(IntegrityError, match="passphrase"):
        KeyStore().like(closed, b"two", {}, os.urandom)
