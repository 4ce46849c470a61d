"""Which entries are disputed, with and without the signatures at hand."""

from datetime import UTC, datetime

import pytest

from broker.directory.disputed import Doubt, doubt_of, is_disputed
from schemas.base import instant
from schemas.directory import KeyUse
from schemas.evidence import Entry
from tests.builders import NOW, Realm, key_row, private_key

REALM = Realm()
OLD, NEXT = (private_key("Ed25519", label) for label in ("us-dea", "us-dea next"))
QUANTUM = private_key("ML-DSA-65", "us-dea")
SINCE = NOW - 100


def directory(*keys):
    rows = [key_row(key, KeyUse.SIGN, **over).to_object() for key, over in (*keys, (QUANTUM, {}))]
    return REALM.with_(agencies={"us-dea": {"keys": rows}}).snapshot


STOLEN = {"state": "revoked", "compromised_since": SINCE}
BEFORE = directory((OLD, {}))
OVERLAP = directory((OLD, {"not_after": NOW + 100}), (NEXT, {}))
AFTER = directory((OLD, {"state": "retired"}), (NEXT, {}))
REVOKED = directory((OLD, STOLEN), (NEXT, {}))


def entry(kind="accepted", at=NOW, actor="us-dea"):
    return Entry.from_object(
        {
            "type": kind,
            "time": instant(datetime.fromtimestamp(at, UTC)),
            "actor": actor,
            "aud": REALM.aud.to_object(),
            "directory": BEFORE.ref.to_object(),
            "policy": "0" * 64,
        }
    )


@pytest.mark.parametrize(
    ("logged", "current", "then", "expected"),
    [
        pytest.param(entry(), REVOKED, BEFORE, Doubt.DISPUTED, id="there-was-no-other-key"),
        pytest.param(entry("acknowledged"), REVOKED, BEFORE, Doubt.DISPUTED, id="an-acknowledgement"),
        pytest.param(entry("rejected_by_recipient"), REVOKED, BEFORE, Doubt.DISPUTED, id="a-rejection"),
        pytest.param(entry(), REVOKED, OVERLAP, Doubt.POSSIBLE, id="two-overlapped"),
        pytest.param(entry(), REVOKED, None, Doubt.POSSIBLE, id="that-directory-is-not-at-hand"),
        pytest.param(entry(at=SINCE), REVOKED, BEFORE, Doubt.DISPUTED, id="at-that-very-second"),
        pytest.param(entry(at=SINCE - 1), REVOKED, BEFORE, None, id="before-it-was-in-other-hands"),
        pytest.param(entry(at=SINCE - 1), REVOKED, None, None, id="before-without-that-directory"),
        pytest.param(entry(), REVOKED, AFTER, None, id="it-was-retired-by-then"),
        pytest.param(entry(at=NOW + 100), REVOKED, OVERLAP, Doubt.POSSIBLE, id="judged-in-its-dates-and-written-after"),
        pytest.param(entry(at=NOW + 160), REVOKED, OVERLAP, None, id="its-dates-were-over-by-then"),
        pytest.param(entry(), AFTER, BEFORE, None, id="only-replaced"),
        pytest.param(entry(), directory((OLD, {"state": "revoked"})), BEFORE, None, id="revoked-without-a-date"),
        pytest.param(entry("delivered"), REVOKED, BEFORE, None, id="an-entry-of-nobodys-signature"),
        pytest.param(entry(actor="us-cbp"), REVOKED, BEFORE, None, id="another-agency"),
    ],
)
def test_what_the_log_alone_says(logged, current, then, expected):
    assert doubt_of(logged, current, then) is expected


@pytest.mark.parametrize(
    ("current", "key", "at", "expected"),
    [
        pytest.param(REVOKED, OLD, SINCE, True, id="from-then-on"),
        pytest.param(REVOKED, OLD, SINCE - 1, False, id="before"),
        pytest.param(REVOKED, NEXT, NOW, False, id="by-the-next-key"),
        pytest.param(AFTER, OLD, NOW, False, id="only-replaced"),
    ],
)
def test_with_the_signatures_at_hand(current, key, at, expected):
    assert is_disputed(current, "us-dea", (key.public.kid, QUANTUM.public.kid), at) is expected
    assert not is_disputed(current, "us-cbp", (key.public.kid,), at)


def test_a_stolen_wrap_key_disputes_nothing():
    """It opens what others wrote, and signs nothing."""
    wrap = REALM.members["us-dea"].wrap
    rows = [key_row(wrap, KeyUse.WRAP, **STOLEN).to_object(), key_row(OLD, KeyUse.SIGN).to_object()]
    current = REALM.with_(agencies={"us-dea": {"keys": rows}}).snapshot
    assert doubt_of(entry(), current, BEFORE) is None
