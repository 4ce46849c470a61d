"""Which agency, key or certificate was valid: look-ups in one version."""

import hashlib
from typing import Any

import pytest

from broker.directory.lookup import Snapshot
from broker.directory.wrap import GatewayKeys
from broker.errors import IntegrityError, PacketError, SignatureError
from schemas.directory import KeyUse, Role
from schemas.problem import Code
from schemas.wrap import WrapKeys
from tests.builders import GATEWAY, NOW, ORIGIN, Realm, key_row, private_key

REALM = Realm()
SNAPSHOT = REALM.snapshot
DEA = REALM.members["us-dea"]
KID = DEA.sign.classical.public.kid


def _with_key(**over: Any) -> Realm:
    rows = [row.to_object() for row in SNAPSHOT.active("us-dea").keys]
    rows[0].update(over)
    return REALM.with_(agencies={"us-dea": {"keys": rows}})


def test_a_key_valid_now() -> None:
    found = SNAPSHOT.key(KID, agency="us-dea", use=KeyUse.SIGN, at=NOW)
    assert found.kid == KID


@pytest.mark.parametrize(("at", "held"), [(NOW - 1, False), (NOW, True), (NOW + 99, True), (NOW + 100, False)])
def test_a_key_is_valid_from_its_first_second_up_to_its_last(at: int, held: bool) -> None:
    snapshot = _with_key(not_before=NOW, not_after=NOW + 100).snapshot
    if held:
        assert snapshot.key(KID, agency="us-dea", use=KeyUse.SIGN, at=at).kid == KID
    else:
        with pytest.raises(SignatureError):
            snapshot.key(KID, agency="us-dea", use=KeyUse.SIGN, at=at)


def test_a_gateway_that_names_anothers_wrap_key_takes_nothing_from_it() -> None:
    row = key_row(private_key("HPKE-9-KE", "the day's"), KeyUse.WRAP, not_before=NOW, not_after=NOW + 100)
    roles = [
        GatewayKeys(each, 1, NOW + 100, WrapKeys(realm=REALM.realm, gateway=each, keys=(row,)))
        for each in (GATEWAY, "us-dea")
    ]
    snapshot = Snapshot(REALM.directory, raw=b"{}", realm=REALM.realm, gateways=roles)
    for each in (GATEWAY, "us-dea"):  # whichever the directory names last
        assert snapshot.key(row.kid, agency=each, use=KeyUse.WRAP, at=NOW) == row


UNKNOWN = [
    pytest.param({"kid": "A" * 43}, {}, id="no-such-kid"),
    pytest.param({"kid": "../../etc/passwd"}, {}, id="kid-is-a-path"),
    pytest.param({"agency": "in-ncb"}, {}, id="another-agencys"),
    pytest.param({"use": KeyUse.WRAP}, {}, id="another-use"),
    pytest.param({"at": NOW + 100}, {"not_after": NOW + 100}, id="over"),
    pytest.param({}, {"state": "revoked"}, id="revoked"),
    pytest.param({}, {"state": "retired"}, id="retired"),
]


@pytest.mark.parametrize(("asked", "row"), UNKNOWN)
def test_one_answer_for_every_key_that_is_not_valid(asked: dict[str, Any], row: dict[str, Any]) -> None:
    question = {"kid": KID, "agency": "us-dea", "use": KeyUse.SIGN, "at": NOW, **asked}
    with pytest.raises(SignatureError) as refused:
        _with_key(**row).snapshot.key(question.pop("kid"), **question)
    assert refused.value.code is Code.KEY_UNKNOWN
    assert refused.value.message.endswith("found none for this kid in directory version 2.")


def test_the_newest_wrap_key() -> None:
    newer, older = private_key("HPKE-9-KE", "newer"), private_key("HPKE-9-KE", "older")
    rows = [row.to_object() for row in SNAPSHOT.active("us-dea").keys if row.use is not KeyUse.WRAP]
    rows += [
        key_row(newer, KeyUse.WRAP, not_before=NOW - 10).to_object(),
        key_row(older, KeyUse.WRAP, not_before=NOW - 20).to_object(),
    ]
    snapshot = REALM.with_(agencies={"us-dea": {"keys": rows}}).snapshot
    assert snapshot.wrap_key("us-dea", NOW).kid == newer.public.kid
    assert snapshot.wrap_key("us-dea", NOW - 15).kid == older.public.kid
    for agency, at in (("us-dea", NOW - 30), ("us-none", NOW)):
        with pytest.raises(SignatureError):
            snapshot.wrap_key(agency, at)


def test_who_is_active() -> None:
    assert SNAPSHOT.active("us-dea").id == "us-dea"
    assert SNAPSHOT.active(GATEWAY, Role.GATEWAY).id == GATEWAY
    suspended = REALM.with_(agencies={"us-dea": {"state": "suspended"}}).snapshot
    for snapshot, agency in ((SNAPSHOT, "us-none"), (SNAPSHOT, GATEWAY), (suspended, "us-dea")):
        with pytest.raises(PacketError) as refused:
            snapshot.active(agency)
        assert refused.value.code is Code.RECIPIENT_UNKNOWN
    found = suspended.agency("us-dea")
    assert found is not None
    assert found.id == "us-dea"
    assert suspended.agency("us-none") is None


def test_by_certificate() -> None:
    found = SNAPSHOT.by_certificate(hashlib.sha256(DEA.client).hexdigest())
    assert found is not None
    assert found[0].id == "us-dea"
    assert SNAPSHOT.by_certificate("0" * 64) is None


def test_the_log_of_a_gateway() -> None:
    assert SNAPSHOT.log(GATEWAY).origin == ORIGIN
    with pytest.raises(IntegrityError):
        SNAPSHOT.log("us-gate")
    assert SNAPSHOT.suite == "hybrid-768"
