"""What the policy says of a header that is never sent."""

import json
import shutil

import pytest

from schemas import registry
from tests.builders import Realm


def header(**over):
    return {"from": "in-ncb", "to": ["us-dea"], "kind": "tip", "handling": registry.sample_handling(), **over}


def handling(**over):
    return {"handling": registry.sample_handling() | over}


@pytest.fixture
def explain(setu, made, write):
    def explain(document, *words):
        raw = document if isinstance(document, bytes) else json.dumps(document).encode()
        return setu("policy", "explain", "--header", write("h.json", raw), "--config", made.config, *words)

    return explain


def rules_of(said):
    return {each["recipient"]: (each["permit"], each["rules"]) for each in said.json()["recipients"]}


@pytest.mark.parametrize(
    ("document", "status", "expected"),
    [
        pytest.param(header(), 0, {"us-dea": (True, ["permit.deliver"])}, id="permitted"),
        pytest.param(
            header(to=["us-dea", "in-setu"]),
            0,
            {"us-dea": (True, ["permit.deliver"]), "in-setu": (True, ["permit.read"])},
            id="open-with-the-gateway-as-a-reader",
        ),
        pytest.param(header(to=["us-fincen"]), 1, {"us-fincen": (False, ["1.purpose"])}, id="outside-the-mandate"),
        pytest.param(
            header(to=["us-dea", "us-hsi"], **handling(purpose=["investigation"])),
            1,
            {"us-dea": (False, ["2.tlp-amber"]), "us-hsi": (False, ["2.tlp-amber"])},
            id="tlp-amber-to-two",
        ),
        pytest.param(
            header(**handling(releasable_to=["IND"])), 1, {"us-dea": (False, ["1.releasable"])}, id="not-releasable"
        ),
        pytest.param(
            header(to=["xx-nobody"]), 1, {"xx-nobody": (False, ["recipient-unknown"])}, id="recipient-unknown"
        ),
        pytest.param(
            header(kind="pen"),
            1,
            {"us-dea": (True, ["permit.deliver"]), "in-setu": (False, ["sealed-allowed"])},
            id="sealed-where-it-may-not-be",
        ),
    ],
)
def test_each_recipient_gets_an_answer(explain, document, status, expected):
    said = explain(document, "--json")
    assert (said.status, rules_of(said)) == (status, expected)
    assert said.json()["permit"] is (status == 0)


def test_people_are_told_what_would_change_it(explain):
    said = explain(header(to=["us-fincen"]))
    assert said.status == 1
    assert "us-fincen (https): refused" in said.out
    assert "what would change it: Narrow the purpose" in said.out


def test_a_packet_is_as_good_as_a_header(setu, made, write):
    packet = write("p.json", Realm().sealed("in-ncb", ["us-dea"]).raw)
    said = setu("policy", "explain", "--header", packet, "--config", made.config, "--json")
    assert rules_of(said) == {"us-dea": (True, ["permit.deliver"])}


def test_a_header_comes_from_stdin_too(setu, made):
    words = ("policy", "explain", "--header", "-", "--config", made.config)
    assert setu(*words, stdin=json.dumps(header())).status == 0


def test_it_can_be_asked_without_any_settings(setu, made, write):
    words = ("policy", "explain", "--header", write("h.json", header()), "--directory", made.path / "directory")
    assert setu(*words).status == 0


def test_other_rules_give_other_answers(setu, made, tmp_path, write):
    folder = tmp_path / "rules"
    shutil.copytree(made.path / "policies", folder)
    (folder / "9-mine.cedar").write_text(
        '@id("9.mine") @sentence("Not on my watch.") @remedy("Ask me.")\nforbid (principal, action, resource);\n'
    )
    words = ("policy", "explain", "--header", write("h.json", header()), "--config", made.config)
    said = setu(*words, "--policies", folder, "--json")
    assert rules_of(said) == {"us-dea": (False, ["9.mine"])}


@pytest.mark.parametrize(
    ("document", "code"),
    [
        pytest.param(b"{", "json-invalid", id="no-json"),
        pytest.param(b"[]", "schema", id="no-object"),
        pytest.param(header(kind="NO"), "schema", id="no-kind"),
        pytest.param(header(to=[]), "schema", id="to-nobody"),
        pytest.param(header(to=[3]), "schema", id="to-no-agency"),
        pytest.param(header(to=3), "schema", id="to-no-list"),
        pytest.param({"from": "in-ncb", "to": ["us-dea"], "kind": "tip"}, "schema", id="no-handling"),
        pytest.param(header(mood="good"), "schema", id="a-member-too-many"),
        pytest.param({"jwe": {}}, "envelope-invalid", id="no-packet"),
    ],
)
def test_what_is_no_header_is_refused(explain, document, code):
    said = explain(document)
    assert (said.status, said.out) == (1, "")
    assert said.err.startswith(f"{code}:")


def test_check_lists_the_rules(setu, made):
    found = setu("policy", "check", made.path / "policies", "--json").json()
    assert found["ok"] is True
    assert {"1.purpose", "2.tlp-red", "5.nf", "permit.deliver"} <= {each["id"] for each in found["rules"]}
    assert "rules hold together" in setu("policy", "check", made.path / "policies").out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("permit (principal, action, resource)", "mine.cedar", id="no-cedar"),
        pytest.param(
            '@id("9.x") permit (principal, action, resource) when { context.mood };', "mine.cedar", id="misspelt"
        ),
        pytest.param("permit (principal, action, resource);", "without an @id", id="no-id"),
        pytest.param('@id("9.x") forbid (principal, action, resource);', "@sentence", id="no-sentence"),
    ],
)
def test_check_refuses_rules_that_would_not_start(setu, made, tmp_path, text, said):
    folder = tmp_path / "rules"
    shutil.copytree(made.path / "policies", folder)
    (folder / "mine.cedar").write_text(text)
    found = setu("policy", "check", folder)
    assert (found.status, found.out) == (1, "")
    assert said in found.err
