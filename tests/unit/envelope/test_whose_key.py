"""Good signatures of somebody else, of another key, for something else."""

import pytest

from broker.crypto.keys import thumbprint
from broker.crypto.suites import SUITES
from broker.envelope.verify import check_signatures, parse
from broker.errors import PacketError
from schemas.canonical import b64u
from schemas.packet import SuiteName
from schemas.problem import Code
from tests.bend import with_fields
from tests.builders import Realm, key_row, private_key
from tests.forge import Forge, refused


@pytest.fixture(scope="module", params=list(SuiteName))
def realm(request):
    return Realm(request.param)


def test_signed_by_another_agency(realm):
    """Another agency's good signatures, under its own kids, on a packet that says it is from in-ncb."""
    other = realm.members["us-cbp"].sign
    refused(Forge(realm, signers=(other.classical, other.post_quantum)).make(), realm, Code.KEY_UNKNOWN)


@pytest.mark.parametrize("which", [0, 1])
def test_one_signature_of_another_agency(realm, which):
    keys = [realm.members["in-ncb"].sign.classical, realm.members["in-ncb"].sign.post_quantum]
    other = [realm.members["us-cbp"].sign.classical, realm.members["us-cbp"].sign.post_quantum]
    keys[which] = other[which]
    refused(Forge(realm, signers=keys).make(), realm, Code.KEY_UNKNOWN)


@pytest.mark.parametrize("which", [0, 1])
def test_another_agencys_signature_under_the_senders_kid(realm, which):
    other = realm.members["us-cbp"].sign
    theirs = Forge(realm, signers=(other.classical, other.post_quantum)).object()["jws"]["signatures"]

    def swap(signatures):
        signatures[which] = {**signatures[which], "signature": theirs[which]["signature"]}
        return signatures

    refused(Forge(realm, signatures=swap).make(), realm, Code.SIGNATURE_INVALID)


@pytest.mark.parametrize("which", [0, 1])
def test_kids_other_than_sig_names(realm, which):
    def swap(fields):
        kids = list(fields["sig"])
        kids[which] = realm.members["us-cbp"].sign.kids[which]
        return {**fields, "sig": kids}

    refused(Forge(realm, fields=swap).make(), realm, Code.SIGNATURE_INVALID)


def test_the_other_suites_algorithms(realm):
    """A packet of the other suite, whole and good in itself, in this realm."""
    other = Realm(next(suite for suite in SuiteName if suite is not realm.suite))
    refused(Forge(other).make(), realm, Code.WRONG_SUITE)


def test_the_other_suites_signatures_under_this_suite(realm):
    other = Realm(next(suite for suite in SuiteName if suite is not realm.suite)).members["in-ncb"].sign
    refused(Forge(realm, signers=(other.classical, other.post_quantum)).make(), realm, Code.SIGNATURE_INVALID)


def test_a_header_that_names_the_other_suite(realm):
    other = next(suite for suite in SuiteName if suite is not realm.suite)
    refused(Forge(realm, fields=with_fields(suite=other.value)).make(), realm, Code.SIGNATURE_INVALID)


@pytest.mark.parametrize("which", [0, 1])
def test_a_revoked_key(realm, which):
    keys = [key.to_object() for key in realm.snapshot.agency("in-ncb").keys]
    keys[which]["state"] = "revoked"
    refused(Forge(realm).make(), realm.with_(agencies={"in-ncb": {"keys": keys}}), Code.KEY_UNKNOWN)


@pytest.mark.parametrize("over", [{"not_after": 1}, {"not_before": 2**40}], ids=["expired", "not yet"])
def test_a_key_outside_its_dates(realm, over):
    keys = [{**key.to_object(), **over} for key in realm.snapshot.agency("in-ncb").keys]
    refused(Forge(realm).make(), realm.with_(agencies={"in-ncb": {"keys": keys}}), Code.KEY_UNKNOWN)


def test_a_key_of_the_wrong_use(realm):
    """A log key of the right algorithm and agency signs a packet."""
    log = private_key(SUITES[realm.suite].classical, "a log's")
    keys = [*(key.to_object() for key in realm.snapshot.agency("in-ncb").keys), key_row(log, "log").to_object()]
    signers = (log, realm.members["in-ncb"].sign.post_quantum)
    refused(Forge(realm, signers=signers).make(), realm.with_(agencies={"in-ncb": {"keys": keys}}), Code.KEY_UNKNOWN)


def test_a_directory_that_gives_another_key_for_a_kid(realm):
    def key(kid, alg):
        return realm.members["us-cbp"].sign.classical.public

    with pytest.raises(PacketError) as found:
        check_signatures(parse(Forge(realm).make()), key)
    assert found.value.code is Code.KEY_UNKNOWN


SMALL_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
]


@pytest.mark.parametrize("point", SMALL_ORDER)
def test_a_small_order_key_in_the_directory(point):
    """With such a key the signature (identity, 0) fits every message; the directory's row is of no use."""
    realm = Realm()
    raw = bytes.fromhex(point)
    kid = thumbprint("Ed25519", raw)
    keys = [key.to_object() for key in realm.snapshot.agency("in-ncb").keys]
    keys[0] |= {"public": b64u(raw), "kid": kid}
    weak = realm.with_(agencies={"in-ncb": {"keys": keys}})

    def sign_for_all(signatures):
        universal = bytes([1]) + bytes(63)
        return [{**signatures[0], "signature": b64u(universal)}, signatures[1]]

    forged = Forge(
        realm,
        fields=lambda f: {**f, "sig": [kid, f["sig"][1]]},
        protected=lambda n, h: {**h, "kid": kid} if n == 0 else h,
        signatures=sign_for_all,
    )
    refused(forged.make(), weak, Code.KEY_UNKNOWN)
