"""A deployment as `setu init` makes it, and what is left of one that could not be made."""

import hashlib
import re
import shutil
import stat

import pytest

from broker.assembly import connect
from broker.assembly.keys import keys_in, log_pairs_of, signer_of, wrap_keys_of
from broker.assembly.policy import policy_in
from broker.assembly.realm import local_directory
from broker.cli.deployment import create
from broker.cli.realm import DEMO, GATEWAY
from broker.config import split_address
from broker.crypto.certificates import dates, fingerprint, pem_to_der, uri_of, verify_chain
from broker.errors import IntegrityError
from broker.policy.cases import default_cases
from broker.policy.load import default_rules
from schemas.directory import KeyUse, Role
from schemas.packet import SuiteName
from schemas.problem import Code
from tests.arch.tree import ROOT

NOW = 1_790_000_000


@pytest.fixture(scope="module")
def snapshot(made):
    return local_directory(made.gateway()).current()


def test_it_has_what_its_settings_name(made):
    settings = made.gateway()
    paths = settings.paths
    files = [paths.certificate, paths.certificate_key, paths.clients_ca, paths.root]
    assert [str(path) for path in files if not settings.at(path).is_file()] == []
    folders = [paths.keys, paths.directory, paths.realm_keys, paths.policies, paths.store.parent, paths.guard.parent]
    assert [str(path) for path in folders if not settings.at(path).is_dir()] == []
    assert split_address(settings.listen.address) == ("127.0.0.1", 8443)
    assert split_address(settings.listen.operations) == ("127.0.0.1", 9443)


def test_every_key_is_its_owners_alone(made):
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in made.path.rglob("*.key")}
    assert len(modes) == 2 + 1 + 4 + 1 + 16 + 5 + len(DEMO) * 4
    assert set(modes.values()) == {0o600}


def test_every_folder_is_closed_to_others(made):
    folders = [made.path, *(path for path in made.path.rglob("*") if path.is_dir())]
    own = [path for path in folders if "directory" not in path.relative_to(made.path).parts]
    assert {stat.S_IMODE(path.stat().st_mode) for path in own} == {0o700}


def test_no_two_keys_are_the_same(made):
    seeds = [
        key.public.kid
        for folder in {path.parent for path in made.path.rglob("sign-*.key")}
        for _, key in keys_in(folder)
    ]
    assert len(set(seeds)) == len(seeds)


def test_the_directory_names_the_gateways_own_keys(made, snapshot):
    keys = [*keys_in(made.path / "keys"), *keys_in(made.path / "wrap")]
    log = snapshot.log(GATEWAY)
    assert [each.pair for each in log_pairs_of(keys, log)] == list(log.pairs)
    assert log.origin == "127.0.0.1:8443/log"
    listed = {key.kid: key.use for key in snapshot.active(GATEWAY, Role.GATEWAY).keys}
    assert {key.public.kid for _, key in keys} == set(listed)


@pytest.mark.parametrize("agency", [member.id for member in DEMO])
def test_the_directory_names_each_agencys_own_keys(made, snapshot, agency):
    settings = made.agency(agency)
    keys = keys_in(settings.at(settings.keys))
    row = snapshot.agency(agency)
    assert {key.kid for key in row.keys} == {key.public.kid for _, key in keys}
    assert set(signer_of(keys).kids) == {key.kid for key in row.keys if key.use is KeyUse.SIGN}
    assert set(wrap_keys_of(keys)) == {key.kid for key in row.keys if key.use is KeyUse.WRAP}


@pytest.mark.parametrize("agency", [member.id for member in DEMO])
def test_each_agencys_certificate_is_its_countrys_or_the_operators(made, snapshot, agency):
    settings = made.agency(agency)
    der = pem_to_der(settings.at(settings.certificate).read_bytes())
    (row,) = snapshot.agency(agency).certificates
    assert (row.sha256, row.uri) == (fingerprint(der), f"urn:setu:agency:{agency}:g1")
    assert uri_of(der) == row.uri
    own = {"in": "in", "us": "us", "zz": GATEWAY[:2]}[agency[:2]]
    verify_chain(der, (made.path / "ca" / own / "ca.pem").read_bytes(), dates(der)[0] + 1)
    other = {"in": "us", "us": "in"}[own]
    with pytest.raises(Exception, match="authorities"):
        verify_chain(der, (made.path / "ca" / other / "ca.pem").read_bytes(), dates(der)[0] + 1)


def test_every_agency_pins_the_same_root(made):
    roots = {settings.at(settings.root).read_bytes() for settings in map(made.agency, made.agencies)}
    assert roots == {(made.path / "directory/root.json").read_bytes()}
    assert {made.agency(each).url for each in made.agencies} == {(made.url,)}


def test_the_policies_are_the_brokers_own(made):
    rules = {path.name: path.read_text("utf-8") for path in (made.path / "policies").iterdir() if path.is_file()}
    assert rules == dict(default_rules().rules)
    cases = {path.name: path.read_text("utf-8") for path in (made.path / "policies/cases").iterdir()}
    assert cases == dict(default_cases())
    settings = made.agency("in-ncb")
    assert policy_in(settings.at(settings.policies)).version == policy_in(made.path / "policies").version


def test_no_agencys_key_is_made_without_demo(tmp_path):
    made = create(tmp_path / "d")
    assert made.agencies == {}
    assert not (made.path / "agencies").exists()
    assert [each.id for each in local_directory(made.gateway()).current().document.agencies] == [GATEWAY]


def test_the_other_suite(tmp_path):
    made = create(tmp_path / "d", suite=SuiteName.HYBRID_1024)
    snapshot = local_directory(made.gateway()).current()
    assert snapshot.suite is SuiteName.HYBRID_1024
    assert {key.alg for key in snapshot.agency(GATEWAY).keys} == {
        "ES384", "ML-DSA-87", "HPKE-10-KE", "Ed25519", "ML-DSA-44",
    }  # fmt: skip


def test_clock_and_randomness_are_given(tmp_path):
    def random_from(label):
        count = iter(range(1000))
        return lambda size: hashlib.shake_256(f"{label} {next(count)}".encode()).digest(size)

    kids = []
    for name, label in (("a", "x"), ("b", "x"), ("c", "y")):
        made = create(tmp_path / name, now=lambda: NOW, random=random_from(label))
        kids.append({key.public.kid for _, key in keys_in(made.path / "keys")})
    assert kids[0] == kids[1]
    assert kids[0].isdisjoint(kids[2])
    found = local_directory(made.gateway(), now=lambda: NOW).current()
    assert {key.not_before for key in found.agency(GATEWAY).keys} == {NOW - 300}


@pytest.mark.parametrize(
    ("host", "address"),
    [
        pytest.param("localhost", "127.0.0.1:1443", id="loopback-by-name"),
        pytest.param("127.0.0.1", "127.0.0.1:1443", id="loopback"),
        pytest.param("192.0.2.7", "192.0.2.7:1443", id="one-address"),
        pytest.param("setu.example.org", "0.0.0.0:1443", id="a-name"),
    ],
)
def test_where_it_listens_follows_from_the_host(tmp_path, host, address):
    made = create(tmp_path / "d", host=host, port=1443, operations_port=1444, limits={"rate": 7.5})
    settings = made.gateway()
    assert settings.listen.address == address
    assert host in settings.listen.hosts
    assert (made.url, made.operations) == (f"https://{host}:1443", "http://127.0.0.1:1444")
    assert settings.limits.rate == 7.5


@pytest.mark.parametrize("host", ["", "UPPER", "::1", "a b", "x\ny", "-a", "a/b", "é.example"])
def test_a_host_that_is_no_name_is_refused(tmp_path, host):
    with pytest.raises(IntegrityError, match="host name") as caught:
        create(tmp_path / "d", host=host)
    assert caught.value.code is Code.CONFIG_INVALID
    assert not (tmp_path / "d").exists()


def test_a_folder_with_something_in_it_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(IntegrityError, match="found something in it"):
        create(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_file_in_its_place_is_refused(tmp_path):
    path = tmp_path / "d"
    path.write_text("keep")
    with pytest.raises(IntegrityError):
        create(path)
    assert path.read_text() == "keep"


@pytest.mark.parametrize("existed", [True, False], ids=["in-an-empty-folder", "in-a-new-one"])
def test_a_failure_leaves_nothing_behind(tmp_path, existed):
    path = tmp_path / "d"
    if existed:
        path.mkdir()

    def stop(step):
        if "directory" in step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        create(path, progress=stop)
    assert path.exists() is existed
    assert not existed or list(path.iterdir()) == []


def test_init_tells_where_everything_is(setu, tmp_path):
    said = setu("init", tmp_path / "d", "--demo", "--port", 1443, "--operations-port", 1444, "--json")
    found = said.json()
    assert said.status == 0
    assert found["url"] == "https://127.0.0.1:1443"
    assert (tmp_path / "d" / "setu.toml").samefile(found["config"])
    assert set(found["agencies"]) == {member.id for member in DEMO}
    assert "keys and certificate of us-dea" in said.err


def test_init_tells_people_what_to_do_next(setu, tmp_path):
    said = setu("init", tmp_path / "d")
    assert "setu serve --config" in said.out
    assert said.status == 0
    again = setu("init", tmp_path / "d")
    assert (again.status, again.out) == (1, "")
    assert "config-invalid" in again.err


def test_no_secret_is_printed(setu, tmp_path):
    said = setu("init", tmp_path / "d", "--demo", "--json")
    printed = said.out + said.err
    seeds = [re.search(r'"seed":"([^"]+)"', path.read_text())[1] for path in (tmp_path / "d" / "keys").glob("*.key")]
    assert len(seeds) == 4
    assert [seed for seed in seeds if seed in printed] == []


def test_a_settings_file_names_no_path_of_this_machine(made):
    texts = [made.config.read_text(), *(path.read_text() for path in made.agencies.values())]
    assert [text for text in texts if str(made.path) in text or str(ROOT) in text] == []


def test_an_agencys_folder_that_was_copied_elsewhere_says_which_rules_it_misses(made, tmp_path):
    shutil.copytree(made.agencies["in-ncb"].parent, tmp_path / "copy")
    with pytest.raises(IntegrityError) as caught:
        connect(tmp_path / "copy" / "agency.toml")
    assert caught.value.message.startswith("Expected the realm's release rules in the folder ")
    assert "`policies` in agency.toml is relative to that file" in caught.value.advice
