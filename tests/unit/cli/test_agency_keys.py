"""What doctor says of an agency's keys by its row in the directory: an overlap is no fault, and what ends is named."""

from pathlib import Path

import pytest

from broker.cli.agency_keys import OwnKeys, certificate_findings
from broker.cli.findings import State
from broker.crypto.certificates import directory_row
from schemas.directory import KeyUse
from tests.builders import NOW, Realm, client_certificate, key_row, private_key

DAY = 86_400
REALM = Realm()
RUNBOOK = Path(__file__).parents[3] / "deploy" / "runbooks" / "doctor.md"
SIGN, QUANTUM, WRAP = (private_key(alg, "us-dea") for alg in ("Ed25519", "ML-DSA-65", "HPKE-9-KE"))
NEXT, NEXT_WRAP = private_key("Ed25519", "us-dea next"), private_key("HPKE-9-KE", "us-dea next")
OWN = [("sign", SIGN), ("sign", QUANTUM), ("wrap", WRAP)]
YOUNG = {"not_before": NOW - 60}
REPLACED = {"not_after": NOW + 7 * DAY}


def rows(sign=None, wrap=None, *more):
    made = [(SIGN, KeyUse.SIGN, sign or {}), (QUANTUM, KeyUse.SIGN, {}), (WRAP, KeyUse.WRAP, wrap or {}), *more]
    return [key_row(key, use, **over).to_object() for key, use, over in made]


def findings(own, keys):
    snapshot = REALM.with_(agencies={"us-dea": {"keys": keys}}).snapshot
    return list(OwnKeys(own, snapshot, snapshot.agency("us-dea"), NOW).findings())


BOTH = (NEXT, KeyUse.SIGN, YOUNG), (NEXT_WRAP, KeyUse.WRAP, YOUNG)
HAS_BOTH = [*OWN, ("sign", NEXT), ("wrap", NEXT_WRAP)]


@pytest.mark.parametrize(
    ("own", "keys", "said"),
    [
        pytest.param(OWN, rows(), "those that the directory lists", id="as-it-should-be"),
        pytest.param(HAS_BOTH, rows(REPLACED, REPLACED, *BOTH), "2 of them were replaced", id="an-overlap"),
        pytest.param(
            HAS_BOTH,
            rows({"not_after": NOW - DAY}, {"not_after": NOW - DAY}, *BOTH),
            "those",
            id="over-and-not-retired",
        ),
        pytest.param(HAS_BOTH, rows(REPLACED, {"state": "retired"}, *BOTH), "1 of them", id="an-old-wrap-key-retired"),
        pytest.param(HAS_BOTH, rows(REPLACED, {"state": "revoked"}, *BOTH), "1 of them", id="an-old-wrap-key-revoked"),
    ],
)
def test_what_is_no_fault(own, keys, said):
    (finding,) = findings(own, keys)
    assert finding.state is State.OK
    assert said in finding.found


@pytest.mark.parametrize(
    ("own", "keys", "said", "advice"),
    [
        pytest.param(OWN, rows({"not_after": NOW + 9 * DAY}), "ends on", "setu rotate request", id="key-ends"),
        pytest.param([*OWN, ("sign", NEXT)], rows(), "does not list the sign key", "registrar", id="key-waits"),
        pytest.param(
            HAS_BOTH,
            rows({"state": "retired"}, {}, *BOTH),
            "it signs nothing more",
            "Remove its file",
            id="key-replaced",
        ),
        pytest.param(
            HAS_BOTH, rows({"state": "revoked"}, {}, *BOTH), "revoked: it signs", "Remove its file", id="key-replaced"
        ),
    ],
)
def test_what_is_to_be_looked_at(own, keys, said, advice):
    first, last = findings(own, keys)
    assert (first.state, last.state) == (State.WARNING, State.OK)
    assert said in first.found
    assert advice in first.advice


@pytest.mark.parametrize(
    ("own", "keys", "said"),
    [
        pytest.param(OWN, rows({"not_after": NOW}), "valid now", id="key-over"),
        pytest.param(OWN, rows({"state": "retired"}), "found it retired", id="key-retired"),
        pytest.param(OWN, rows({"state": "revoked"}), "found it revoked", id="key-revoked"),
        pytest.param(OWN, rows()[1:], "found none there", id="key-unlisted"),
        pytest.param(OWN, rows({}, {}, BOTH[1]), "is not here", id="wrap-key-elsewhere"),
        pytest.param(
            [("sign", REALM.members["us-cbp"].sign.classical), *OWN], rows(), "the one of us-cbp", id="anothers"
        ),
    ],
)
def test_what_is_bad(own, keys, said):
    (finding,) = findings(own, keys)
    assert finding.state is State.BAD
    assert said in finding.found


FIRST, SECOND = (directory_row(client_certificate("us-dea", n).der) for n in (1, 2))


def certificates(*listed):
    row = REALM.snapshot.agency("us-dea").model_copy(update={"certificates": listed})
    return list(certificate_findings(row, FIRST.sha256, NOW))


def test_a_certificate_that_the_directory_lists_is_not_spoken_of():
    assert certificates(FIRST) == certificates(FIRST, SECOND) == []


@pytest.mark.parametrize(
    ("listed", "state", "said"),
    [
        pytest.param([SECOND], State.BAD, "found another one there", id="not-listed"),
        pytest.param([FIRST.model_copy(update={"state": "retired"}), SECOND], State.BAD, "retired", id="retired"),
        pytest.param(
            [FIRST.model_copy(update=REPLACED), SECOND],
            State.WARNING,
            "another one replaces",
            id="certificate-replaced",
        ),
        pytest.param([FIRST.model_copy(update={"not_after": NOW}), SECOND], State.BAD, "valid now", id="over"),
    ],
)
def test_a_certificate_that_is_replaced(listed, state, said):
    (finding,) = certificates(*listed)
    assert finding.state is state
    assert said in finding.found
    assert "setu rotate finish" in finding.advice


def test_the_runbook_has_every_row():
    text = RUNBOOK.read_text("utf-8")
    names = ("key-ends", "key-waits", "key-replaced", "wrap-key-elsewhere", "certificate-replaced")
    assert [name for name in names if f"| `{name}` |" not in text] == []
