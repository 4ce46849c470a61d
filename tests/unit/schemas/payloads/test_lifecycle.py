from typing import Any

import pytest

from schemas import registry
from schemas.act import Attests, DecidesRelease, RequestsRelease, Withdraws
from schemas.payloads import lifecycle
from tests.unit.schemas.refusals import GONE, MARKER, changed, fault

STAGES = {
    "amend": lifecycle.LifecycleAmendV1,
    "supersede": lifecycle.LifecycleSupersedeV1,
    "retract": lifecycle.LifecycleRetractV1,
    "destroy": lifecycle.LifecycleDestroyV1,
    "release-request": lifecycle.LifecycleReleaseRequestV1,
    "release-decision": lifecycle.LifecycleReleaseDecisionV1,
    "release-refused": lifecycle.LifecycleReleaseDecisionV1,
    "attest": lifecycle.LifecycleAttestV1,
}
OF = registry.samples("lifecycle")["amend"]["target"]["digest"]
ID = registry.samples("lifecycle")["amend"]["target"]["id"]


def test_every_stage_has_a_sample_and_its_model() -> None:
    samples = registry.samples("lifecycle")
    assert {name: type(registry.check("lifecycle", 1, each)) for name, each in samples.items()} == STAGES


@pytest.mark.parametrize("sample", STAGES)
@pytest.mark.parametrize(
    ("pointer", "value", "at"),
    [
        pytest.param("/target", GONE, "/target", id="no-target"),
        pytest.param("/target/id", GONE, "/target/id", id="target-without-id"),
        pytest.param("/target/id", ID.upper(), "/target/id", id="id-in-capitals"),
        pytest.param("/target/digest", GONE, "/target/digest", id="target-without-digest"),
        pytest.param("/target/digest", OF[:-4], "/target/digest", id="digest-too-short"),
        pytest.param("/stage", MARKER, "/stage", id="unknown-stage"),
    ],
)
def test_every_stage_names_its_target(sample: str, pointer: str, value: Any, at: str) -> None:
    assert fault("lifecycle", changed("lifecycle", sample, pointer, value)).pointer == at


@pytest.mark.parametrize(
    ("sample", "pointer", "value", "at", "sentence"),
    [
        pytest.param("amend", "/stage", "retract", "/deadline", "found none", id="an-amendment-sent-as-a-retraction"),
        pytest.param("amend", "/reason_code", GONE, "/reason_code", "found none", id="amended-for-no-reason"),
        pytest.param("amend", "/reason_code", "retention-over", "/reason_code", "'error'", id="amended-for-a-withdrawals-reason"),
        pytest.param("amend", "/patch", [], "/patch", "at least 1", id="nothing-amended"),
        pytest.param("amend", "/patch", [{"op": "test", "path": "/a", "value": 1}], "/patch", "tests alone", id="tests-alone"),
        pytest.param("amend", "/patch/0/op", "copy", "/patch/0/op", "'add'", id="copy"),
        pytest.param("amend", "/patch/0/op", GONE, "/patch/0/op", "add it", id="no-operation"),
        pytest.param("amend", "/patch/0/path", "", "/patch/0/path", "JSON pointer", id="the-whole"),
        pytest.param("amend", "/patch/0/path", "narrative", "/patch/0/path", "JSON pointer", id="no-pointer"),
        pytest.param("amend", "/patch/0/path", "/a~2b", "/patch/0/path", "JSON pointer", id="unknown-escape"),
        pytest.param("amend", "/patch/0/path", "/a" * 33, "/patch/0/path", "JSON pointer", id="pointer-too-deep"),
        pytest.param("amend", "/patch/0/path", "/" + "a" * 400, "/patch/0/path", "JSON pointer", id="pointer-too-long"),
        pytest.param("amend", "/patch/0/path", "/t\u0456tle", "/patch/0/path", "outside ASCII", id="cyrillic-in-a-pointer"),
        pytest.param("amend", "/patch/1/value", GONE, "/patch/1/value", "found none", id="replaced-by-nothing"),
        pytest.param("amend", "/patch/3/value", "x", "/patch/3", "only the members", id="removed-with-a-value"),
        pytest.param("amend", "/patch/1/value", None, "/patch/1/value", "found null", id="null"),
        pytest.param("amend", "/patch/1/value", 1.5, "/patch/1/value", "no fractions", id="fraction"),
        pytest.param("amend", "/patch/1/value", 2**53, "/patch/1/value", "below 2^53", id="2^53"),
        pytest.param("amend", "/patch/1/value", {"a": [None]}, "/patch/1/value/a/0", "found null", id="null-deep"),
        pytest.param("amend", "/patch/1/value", {"\u0430": 1}, "/patch/1/value", "names in ASCII", id="cyrillic-name"),
        pytest.param("amend", "/patch/1/value", {"a\nb": 1}, "/patch/1/value", "printable ASCII", id="newline-in-a-name"),
        pytest.param("amend", "/patch/1/value", {"a" * 101: 1}, "/patch/1/value", "member names", id="long-name"),
        pytest.param("amend", "/patch/1/value", f"{MARKER}\u202e", "/patch/1/value", "bidirectional", id="bidi-override"),
        pytest.param("amend", "/patch/1/value", {"a/b": [f"{MARKER}\u0000"]}, "/patch/1/value/a~1b/0", "control", id="nul-deep"),
        pytest.param("amend", "/patch/1/value", "e\u0301", "/patch/1/value", "normalisation form C", id="not-nfc"),
        pytest.param("amend", "/patch/1/value", [MARKER * 3000], "/patch/1/value/0", "at most 20000", id="long-text"),
        pytest.param("supersede", "/replacement", GONE, "/replacement", "found none", id="superseded-by-nothing"),
        pytest.param("supersede", "/replacement/digest", OF, "/replacement/digest", "another packet", id="superseded-by-itself"),
        pytest.param("supersede", "/replacement/id", ID, "/replacement/id", "another packet", id="superseded-by-its-own-id"),
        pytest.param("supersede", "/reason_code", "wrong-recipient", "/reason_code", "'error'", id="superseded-for-a-withdrawals-reason"),
        pytest.param("retract", "/deadline", GONE, "/deadline", "found none", id="retracted-without-deadline"),
        pytest.param("retract", "/deadline", "1969-12-31T23:59:59Z", "/deadline", "1970", id="deadline-before-clocks"),
        pytest.param("retract", "/reason_code", GONE, "/reason_code", "found none", id="retracted-for-no-reason"),
        pytest.param("retract", "/reason_code", "new-information", "/reason_code", "'unreliable'", id="retracted-for-an-amendments-reason"),
        pytest.param("destroy", "/deadline", GONE, "/deadline", "found none", id="destroyed-without-deadline"),
        pytest.param("destroy", "/reason_code", "other", "/explanation", "expected an explanation", id="other-unexplained"),
        pytest.param("release-request", "/release_to", [], "/release_to", "at least 1", id="released-to-nobody"),
        pytest.param("release-request", "/release_to", ["AUS", "AUS"], "/release_to", "once", id="released-to-one-twice"),
        pytest.param("release-request", "/release_to", ["XKX"], "/release_to", "not assigned", id="a-country-not-assigned"),
        pytest.param("release-request", "/release_to/0", "Australia", "/release_to/0", "another form", id="a-country-by-name"),
        pytest.param("release-request", "/purpose", GONE, "/purpose", "found none", id="released-for-nothing"),
        pytest.param("release-request", "/purpose", ["border", "border"], "/purpose", "each purpose once", id="purpose-twice"),
        pytest.param("release-request", "/justification", GONE, "/justification", "found none", id="unjustified"),
        pytest.param("release-decision", "/permit", GONE, "/permit", "found none", id="nothing-decided"),
        pytest.param("release-decision", "/agency", GONE, "/agency", "found none", id="about-nobody"),
        pytest.param("release-decision", "/release_to", ["us-dea"], "/release_to", "others than the agency", id="to-itself"),
        pytest.param("release-decision", "/reason_code", "purpose", "/reason_code", "refused", id="a-reason-for-a-permit"),
        pytest.param("release-decision", "/permit", False, "/reason_code", "why the release is refused", id="refused-for-no-reason"),
        pytest.param("release-decision", "/until", "2026-02-16T06:45:00Z", "/until", "after decided_at", id="until-it-is-decided"),
        pytest.param("release-refused", "/until", "2026-05-31T18:30:00Z", "/until", "permitted", id="refused-until"),
        pytest.param("release-refused", "/conditions", "None.", "/conditions", "permitted", id="refused-under-conditions"),
        pytest.param("release-refused", "/reason_code", "mood", "/reason_code", "'third-party'", id="unknown-reason"),
        pytest.param("attest", "/method", GONE, "/method", "found none", id="destroyed-somehow"),
        pytest.param("attest", "/method", "delete", "/method", "'clear', 'purge'", id="unknown-method"),
        pytest.param("attest", "/destroyed_at", GONE, "/destroyed_at", "found none", id="destroyed-at-no-time"),
        pytest.param("attest", "/office", GONE, "/office", "found none", id="attested-by-nobody"),
        pytest.param("attest", "/copies", 0, "/copies", "greater than or equal to 1", id="no-copies"),
        pytest.param("attest", "/derived", GONE, "/derived", "found none", id="derived-not-said"),
        pytest.param("attest", "/told", ["us-hsi", "us-hsi"], "/told", "each agency once", id="told-twice"),
    ],
)  # fmt: skip
def test_is_refused(sample: str, pointer: str, value: Any, at: str, sentence: str) -> None:
    found = fault("lifecycle", changed("lifecycle", sample, pointer, value))
    assert found.pointer == at
    assert sentence in found.sentence


@pytest.mark.parametrize(
    ("sample", "pointer", "value"),
    [
        pytest.param("amend", "/patch/1/value", {"any": [True, -1, "", {}]}, id="any-value"),
        pytest.param("amend", "/patch/0/path", "/a~0b~1c/-", id="escaped-pointer"),
        pytest.param("amend", "/explanation", GONE, id="a-listed-reason-alone"),
        pytest.param("destroy", "/explanation", "As agreed in 2026.", id="explained-all-the-same"),
        pytest.param("release-request", "/release_to", ["in-nia", "AUS"], id="agency-and-country"),
        pytest.param("release-decision", "/until", GONE, id="for-good"),
        pytest.param("release-decision", "/conditions", GONE, id="without-conditions"),
        pytest.param("attest", "/told", GONE, id="gone-to-nobody"),
    ],
)
def test_is_taken(sample: str, pointer: str, value: Any) -> None:
    document = changed("lifecycle", sample, pointer, value)
    assert registry.check("lifecycle", 1, document).to_object() == document


@pytest.mark.parametrize(
    ("sample", "act"),
    [
        pytest.param("amend", None, id="amend"),
        pytest.param("supersede", None, id="supersede"),
        pytest.param("retract", Withdraws(does="withdraws", of=OF, due=1_772_798_400), id="retract"),
        pytest.param("destroy", Withdraws(does="withdraws", of=OF, due=1_928_448_000), id="destroy"),
        pytest.param("release-request", RequestsRelease(does="requests-release", of=OF, release_to=("AUS",)), id="request"),
        pytest.param(
            "release-decision",
            DecidesRelease(does="decides-release", of=OF, agency="us-dea", release_to=("AUS",), permit=True, until=1_780_252_200),
            id="permit",
        ),
        pytest.param(
            "release-refused",
            DecidesRelease(does="decides-release", of=OF, agency="us-dea", release_to=("us-fincen", "NGA"), permit=False),
            id="refusal",
        ),
        pytest.param("attest", Attests(does="attests", of=OF), id="attest"),
    ],
)  # fmt: skip
def test_what_it_does(sample: str, act: Any) -> None:
    payload = registry.check("lifecycle", 1, registry.samples("lifecycle")[sample])
    assert registry.act_of(payload, None) == act
