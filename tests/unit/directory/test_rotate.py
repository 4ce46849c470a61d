"""A request to rotate held against the directory; the version that comes of a good one; the end of what it replaced."""

import pytest

from broker.crypto.certificates import directory_row, fingerprint
from broker.crypto.keys import PublicKey
from broker.crypto.requests import request_certificate
from broker.directory.enrol import DAY
from broker.directory.lookup import Snapshot
from broker.directory.retire import Ending, ends, overlapping, replaced, retired, uses
from broker.directory.rotate import Overlap, check_rotation, faults, rotated
from broker.directory.wrap import GatewayKeys
from broker.envelope.jws import Signer
from broker.errors import MalformedError, SetuError
from schemas.directory import DirectoryRef, KeyState, KeyUse
from schemas.packet import SuiteName
from schemas.wrap import WrapKeys
from tests.builders import NOW, Realm, client_certificate, key_row, private_key
from tests.rotating import Rotator

REALM = Realm()
TERMS = Overlap(seconds=7 * DAY, days=700)


def refused(request, code, *, realm=REALM, now=NOW, snapshot=None):
    with pytest.raises(SetuError) as found:
        check_rotation(request.parsed(), snapshot or realm.snapshot, now)
    assert found.value.code == code, str(found.value)
    return str(found.value)


def carried_out(request, realm=REALM, now=NOW, generation=2):
    parsed = request.parsed()
    row = None if parsed.csr is None else directory_row(client_certificate(request.id, generation).der)
    return rotated(realm.directory, parsed, row, TERMS, now)


def snapshot_of(document):
    return Snapshot(document, raw=document.canonical(), realm=REALM.realm)


def row_of(document, agency="us-dea"):
    return next(each for each in document.agencies if each.id == agency)


def test_a_good_request_has_no_faults():
    assert list(faults(Rotator().parsed(), REALM.snapshot, NOW)) == []


def by_others():
    class Asks(Rotator):
        present = REALM.members["us-cbp"].sign

    return Asks()


def by_strangers():
    class Asks(Rotator):
        present = Signer(private_key("Ed25519", "stranger"), private_key("ML-DSA-65", "stranger"))

    return Asks()


class Takes(Rotator):
    """Asks for somebody's wrap key."""

    taken = REALM.members["in-ncb"].wrap

    @property
    def wrap(self):
        return self.taken


class TakesItsOwn(Takes):
    taken = REALM.members["us-dea"].wrap


class Half:
    """The curve's half of another agency's wrap key, under a lattice half of one's own."""

    theirs, mine = REALM.members["in-ncb"].wrap.public.raw, private_key("HPKE-9-KE", "half").public.raw
    public = PublicKey("HPKE-9-KE", mine[:-32] + theirs[-32:])


class TakesHalf(Takes):
    taken = Half


class TakesSigning(Rotator):
    signer = REALM.members["us-cbp"].sign


class KeepsSigning(Rotator):
    signer = REALM.members["us-dea"].sign


ANOTHER = DirectoryRef(version=1, hash="A" * 64)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        pytest.param(Rotator(over={"realm": Realm(name="another").realm}), "wrong-audience", id="another-realm"),
        pytest.param(Rotator(realm=Realm(SuiteName.HYBRID_1024)), "wrong-suite", id="another-suite"),
        pytest.param(Rotator(made=NOW - 91 * DAY), "expired", id="too-old"),
        pytest.param(Rotator(made=NOW + 400), "clock-skew", id="made-later"),
        pytest.param(by_others(), "key-unknown", id="signed-by-another-agencys-keys"),
        pytest.param(by_strangers(), "key-unknown", id="signed-by-keys-that-nobody-has"),
        pytest.param(
            Rotator(over={"agency": "us-none"}, parts=("wrap",)), "key-unknown", id="an-agency-that-is-not-there"
        ),
        pytest.param(Rotator(over={"row": "A" * 64}), "id-conflict", id="made-for-another-row"),
        pytest.param(Rotator(over={"directory": ANOTHER}), "directory-invalid", id="two-directories-of-one-version"),
        pytest.param(Takes(), "id-conflict", id="a-wrap-key-that-another-agency-has"),
        pytest.param(TakesItsOwn(), "id-conflict", id="its-own-present-wrap-key"),
        pytest.param(TakesHalf(), "id-conflict", id="half-of-another-agencys-wrap-key"),
        pytest.param(TakesSigning(), "id-conflict", id="signing-keys-that-another-agency-has"),
        pytest.param(KeepsSigning(), "id-conflict", id="its-own-present-signing-keys"),
    ],
)
def test_what_may_not_be_carried_out(request_, code):
    refused(request_, code)


@pytest.mark.parametrize(
    "certificate",
    [
        pytest.param((3, None), id="a-generation-too-high"),
        pytest.param((2, "0" * 64), id="in-place-of-one-that-it-has-not"),
        pytest.param((2, fingerprint(client_certificate("us-cbp").der)), id="in-place-of-another-agencys"),
    ],
)
def test_a_certificate_out_of_turn(certificate):
    generation, replaces = certificate
    asks = Rotator()

    class Asks(Rotator):
        def csr(self, binding):
            return request_certificate(self.tls, self.id, generation, binding)

    other = Asks()
    other.over = {"certificate": (generation, replaces or asks.certificate, other.csr)}
    assert "generation 2" in refused(other, "id-conflict")


def test_nobody_takes_a_gateways_wrap_key_of_the_day():
    """Listed twice, it would be nobody's: what is sealed to it would be refused."""
    own = key_row(private_key("HPKE-9-KE", "of the day"), KeyUse.WRAP, not_after=NOW + DAY)
    role = WrapKeys(realm=REALM.realm, gateway=REALM.gateway, keys=(own,))
    document = REALM.directory
    held = [GatewayKeys(REALM.gateway, 1, NOW + DAY, role)]
    snapshot = Snapshot(document, raw=document.canonical(), realm=REALM.realm, gateways=held)

    class Asks(Rotator):
        wrap = private_key("HPKE-9-KE", "of the day")

    refused(Asks(), "id-conflict", snapshot=snapshot)


def test_none_is_carried_out_twice():
    asks = Rotator()
    after = snapshot_of(carried_out(asks))
    assert "carried out already" in refused(asks, "id-conflict", snapshot=after)


def test_nor_an_older_one_after_another():
    """Signed by keys that are still good, with keys nobody has: but for a row that has changed since."""
    after = snapshot_of(carried_out(Rotator()))
    refused(Rotator(label="older", parts=("sign",)), "id-conflict", snapshot=after)


@pytest.mark.parametrize("state", ["retired", "revoked"])
def test_keys_that_were_ended_ask_for_nothing(state):
    keys = [each.to_object() for each in row_of(REALM.directory).keys]
    keys[1] |= {"state": state}
    realm = REALM.with_(agencies={"us-dea": {"keys": keys}})
    refused(Rotator(realm=realm), "key-unknown", realm=realm)


def test_who_is_suspended_asks_for_nothing():
    realm = REALM.with_(agencies={"us-dea": {"state": "suspended"}})
    refused(Rotator(realm=realm), "agency-suspended", realm=realm)


def test_new_and_old_are_good_together_for_a_while():
    asks = Rotator()
    document = carried_out(asks)
    row = row_of(document)
    assert document.version == REALM.directory.version + 1
    assert [each for each in document.agencies if each.id != "us-dea"] == [
        each for each in REALM.directory.agencies if each.id != "us-dea"
    ]
    assert {each.state for each in (*row.keys, *row.certificates)} == {KeyState.ACTIVE}
    old, new = row.keys[:3], row.keys[3:]
    assert {each.not_after for each in old} == {NOW + 7 * DAY}
    assert {each.kid for each in new} == {*asks.signer.kids, asks.wrap.public.kid}
    assert {(each.not_before, each.not_after) for each in new} == {(NOW - 300, NOW - 300 + 700 * DAY)}
    assert row.certificates[0].not_after == NOW + 7 * DAY
    assert row.certificates[1].uri == "urn:setu:agency:us-dea:g2"
    # Others wrap to the new key, whose date is the later one, and both sign.
    snapshot = snapshot_of(document)
    assert snapshot.wrap_key("us-dea", NOW).kid == asks.wrap.public.kid
    for key in (*old[:2], *new[:2]):
        assert snapshot.key(key.kid, agency="us-dea", use=KeyUse.SIGN, at=NOW) == key


@pytest.mark.parametrize(
    ("parts", "changed"),
    [(("sign",), {0, 1}), (("wrap",), {2}), (("certificate",), set())],
    ids=["sign", "wrap", "certificate"],
)
def test_what_was_not_asked_for_stays_as_it_is(parts, changed):
    row, before = row_of(carried_out(Rotator(parts=parts))), row_of(REALM.directory)
    assert {n for n in range(3) if row.keys[n] != before.keys[n]} == changed
    assert (row.certificates == before.certificates) == ("certificate" not in parts)


def test_the_new_one_is_newer_though_the_old_one_is_a_minute_old():
    young = [
        key_row(key, use, not_before=NOW - 60)
        for key, use in zip(
            (*_pair("us-dea"), REALM.members["us-dea"].wrap), (KeyUse.SIGN, KeyUse.SIGN, KeyUse.WRAP), strict=True
        )
    ]
    realm = REALM.with_(agencies={"us-dea": {"keys": [each.to_object() for each in young]}})
    row = row_of(carried_out(Rotator(realm=realm), realm))
    assert {each.not_before for each in row.keys[3:]} == {NOW - 59}


def _pair(agency):
    signer = REALM.members[agency].sign
    return signer.classical, signer.post_quantum


def test_an_overlap_never_makes_a_key_good_for_longer():
    keys = [each.to_object() | {"not_after": NOW + DAY} for each in row_of(REALM.directory).keys]
    realm = REALM.with_(agencies={"us-dea": {"keys": keys}})
    assert {each.not_after for each in row_of(carried_out(Rotator(realm=realm), realm)).keys[:3]} == {NOW + DAY}


OVER = NOW + 7 * DAY


def test_what_was_replaced_is_retired_when_its_time_is_over():
    document = carried_out(Rotator())
    row = row_of(document)
    assert not replaced(row, NOW).something
    assert [each.kid for each in overlapping(row, NOW)] == [each.kid for each in row.keys[:3]]
    ending = replaced(row, OVER)
    assert ending.kids == {each.kid for each in row.keys[:3]}
    assert ending.certificates == {row.certificates[0].sha256}
    after = row_of(retired(document, "us-dea", ending, OVER))
    assert [each.state for each in after.keys] == [KeyState.RETIRED] * 3 + [KeyState.ACTIVE] * 3
    assert [each.state for each in after.certificates] == [KeyState.RETIRED, KeyState.ACTIVE]
    assert uses(after, OVER) == uses(row_of(REALM.directory), NOW)
    assert not replaced(after, OVER).something


def test_what_ends_is_the_newest_of_each_kind():
    row = row_of(carried_out(Rotator()))
    assert sorted(ends(row)) == sorted([NOW - 300 + 700 * DAY] * 3 + [row.certificates[1].not_after])
    later = retired(carried_out(Rotator()), "us-dea", Ending(frozenset([row.keys[3].kid]), since=NOW), NOW)
    assert min(ends(row_of(later))) == OVER


def test_early_ends_keys_and_no_certificate():
    ending = replaced(row_of(carried_out(Rotator())), NOW, early=True)
    assert (len(ending.kids), ending.certificates) == (3, frozenset())


def test_what_is_compromised_is_revoked_from_when_it_was():
    document = carried_out(Rotator())
    row = row_of(document)
    ending = Ending(frozenset([row.keys[0].kid]), frozenset([row.certificates[0].sha256]), since=NOW - DAY)
    after = retired(document, "us-dea", ending, NOW)
    key = row_of(after).keys[0]
    assert (key.state, key.compromised_since) == (KeyState.REVOKED, NOW - DAY)
    assert row_of(after).certificates[0].state is KeyState.REVOKED
    # It turns out to have been longer: the earlier time stands, and a later one changes nothing.
    earlier = retired(after, "us-dea", Ending(ending.kids, since=NOW - 2 * DAY), NOW)
    assert row_of(earlier).keys[0].compromised_since == NOW - 2 * DAY
    with pytest.raises(MalformedError):
        retired(earlier, "us-dea", Ending(ending.kids, since=NOW), NOW)


def test_a_retired_key_turns_out_to_have_been_compromised():
    document = retired(carried_out(Rotator()), "us-dea", replaced(row_of(carried_out(Rotator())), OVER), OVER)
    kid = row_of(document).keys[0].kid
    after = retired(document, "us-dea", Ending(frozenset([kid]), since=NOW), OVER)
    assert row_of(after).keys[0].state is KeyState.REVOKED


ROW = row_of(REALM.directory)


@pytest.mark.parametrize(
    ("agency", "ending"),
    [
        pytest.param("us-none", Ending(frozenset([ROW.keys[0].kid])), id="no-such-agency"),
        pytest.param("us-dea", Ending(), id="nothing"),
        pytest.param("us-cbp", Ending(frozenset([ROW.keys[0].kid])), id="another-agencys-key"),
        pytest.param("us-dea", Ending(certificates=frozenset(["0" * 64])), id="no-such-certificate"),
        pytest.param("us-dea", Ending(frozenset([ROW.keys[0].kid])), id="the-last-signing-key"),
        pytest.param("us-dea", Ending(frozenset([ROW.keys[2].kid])), id="the-last-wrap-key"),
        pytest.param("us-dea", Ending(certificates=frozenset([ROW.certificates[0].sha256])), id="the-last-certificate"),
    ],
)
def test_what_cannot_be_retired(agency, ending):
    with pytest.raises(MalformedError) as found:
        retired(REALM.directory, agency, ending, NOW)
    assert found.value.code == "bad-request"


def test_a_compromise_ends_the_last_one_too():
    after = retired(REALM.directory, "us-dea", Ending(frozenset([ROW.keys[0].kid]), since=NOW - DAY), NOW)
    assert "sign Ed25519" not in uses(row_of(after), NOW)
