"""`setu policy test`: an operator's own cases, and the broker's own for each side of each rule."""

import json
import shutil
from pathlib import Path

import pytest

from broker.policy.cedar import CedarPolicy
from broker.policy.load import default_rules
from schemas import registry

BESIDE = {"6.derivative", "7.originator", "sealed-allowed", "sender-known", "recipient-unknown"}
UNREACHED = {"1.originator"}
"""Of a sender that is not listed nothing is asked at a gateway: `sender-known` comes first."""

CASE = """
[header]
from = "in-ncb"
to = ["us-dea"]
kind = "tip"
handling = {handling}

[[case]]
name = "to the DEA"
expect = "permit"
"""
HANDLING = """{ classification = { system = "IN", level = "RESTRICTED" }, tlp = "CLEAR", pap = "RED", handling_code = "H0",
releasable_to = ["USA"], purpose = ["investigation"], legal_basis = "UN1988-9", permitted_actions = "none",
attribution = "may", retention = {}, flags = { personal_data = false, sanitised = true } }""".replace("\n", " ")
WHOLE = CASE.format(handling=HANDLING)


@pytest.fixture
def cases(tmp_path):
    """A folder with one file of cases."""

    def cases(text, name="mine.toml"):
        folder = tmp_path / "cases"
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return folder

    return cases


def test_the_brokers_own_cases_hold_and_show_both_sides_of_each_rule(setu, made):
    said = setu("policy", "test", made.path / "policies" / "cases", "--json")
    assert said.status == 0, said.out
    found = said.json()
    rules = default_rules()
    policy = CedarPolicy(rules.rules, rules.schema)
    assert (found["ok"], found["policy"]) == (True, policy.version)
    forbids = {rule.id for rule in policy.rules if rule.forbids} - UNREACHED
    refusing = {rule for each in found["cases"] for rules in each["expected"].values() for rule in rules}
    assert refusing == forbids | BESIDE
    assert found["rules_without_a_case"] == sorted(UNREACHED)
    assert any(not each["expected"] for each in found["cases"])
    for file in {each["file"] for each in found["cases"]}:
        assert any(not each["expected"] for each in found["cases"] if each["file"] == file), "one that is permitted"


def test_people_see_a_table_of_them(setu, made):
    said = setu("policy", "test", made.path / "policies" / "cases")
    assert said.status == 0
    assert "rules that no case here expects: 1.originator" in said.out
    assert said.out.rstrip().endswith("cases hold")


def test_the_rules_are_those_of_the_folder_the_cases_are_in(setu, made, tmp_path):
    folder = tmp_path / "policies"
    shutil.copytree(made.path / "policies", folder)
    (folder / "9-own.cedar").write_text(
        '@id("9.own") @sentence("No tips.") @remedy("None.")\n'
        'forbid (principal, action, resource) when { context.kind == "tip" };\n'
    )
    said = setu("policy", "test", folder / "cases", "--json")
    assert said.status == 1
    failed = [each for each in said.json()["cases"] if not each["ok"]]
    assert failed[0]["expected"] == {}
    assert failed[0]["found"] == {"us-dea": ["9.own"]}
    assert "9.own" in said.json()["rules_without_a_case"]
    assert setu("policy", "test", folder / "cases", "--policies", made.path / "policies").status == 0


def test_a_mismatch_is_shown_and_fails(setu, cases):
    folder = cases(WHOLE.replace('"permit"', '{ us-dea = ["2.tlp-red"] }'))
    said = setu("policy", "test", folder)
    assert said.status == 1
    assert [line.split() for line in said.out.splitlines()][1] == (
        ["FAILED", "to", "the", "DEA", "us-dea:", "2.tlp-red", "permit", "mine.toml"]
    )
    assert said.out.rstrip().endswith("1 of 1 cases failed")


def test_json_is_as_good_as_toml_and_a_part_goes_over_the_files(setu, cases):
    handling = registry.sample_handling() | {"tlp": "GREEN"}
    document = {
        "header": {"from": "in-ncb", "to": ["us-dea"], "kind": "tip", "handling": handling},
        "case": [
            {"name": "as it is", "expect": "permit"},
            {"name": "as RED", "header": {"handling": {"tlp": "RED"}}, "expect": {"us-dea": ["2.tlp-red"]}},
        ],
    }
    folder = cases(json.dumps(document), "mine.json")
    assert setu("policy", "test", folder).status == 0


def test_a_case_has_its_own_clock(setu, cases, tmp_path):
    rules = tmp_path / "rules"
    rules.mkdir()
    for name, text in default_rules().rules.items():
        (rules / name).write_text(text)
    (rules / "9-night.cedar").write_text(
        '@id("9.night") @sentence("It is night.") @remedy("Wait.")\n'
        "forbid (principal, action, resource) when { context.hour < 6 };\n"
    )
    night = '\n[[case]]\nname = "at night"\nat = "2026-09-21T05:59:59Z"\nexpect = { us-dea = ["9.night"] }\n'
    day = '\n[[case]]\nname = "in the morning"\nat = "2026-09-21T06:00:00Z"\nexpect = "permit"\n'
    assert setu("policy", "test", cases(WHOLE + night + day), "--policies", rules).status == 0


def test_the_directory_is_the_settings_or_the_files_own(setu, made, cases, tmp_path):
    folder = cases(WHOLE)
    assert setu("policy", "test", folder, "--config", made.config).status == 0
    realm = json.loads((made.path / "policies/cases/realm.json").read_text())
    realm["agencies"] = [each | {"state": "suspended"} for each in realm["agencies"]]
    (tmp_path / "theirs.json").write_text(json.dumps(realm))
    cases('directory = "../theirs.json"\n' + WHOLE.replace('"permit"', '{ us-dea = ["1.standing"] }'))
    assert setu("policy", "test", folder, "--config", made.config).status == 0


BAD = [
    pytest.param({"mine.toml": "[[case]"}, "json-invalid", "Expected TOML in mine.toml", id="no-toml"),
    pytest.param({"mine.json": b'{"case": [], "case": []}'}, "json-invalid", "strict JSON in mine.json", id="twice"),
    pytest.param({"mine.toml": b"\xff"}, "json-invalid", "mine.toml: not UTF-8", id="no-text"),
    pytest.param({"mine.toml": ""}, "schema", "at: /case", id="no-cases"),
    pytest.param({"mine.toml": WHOLE + "mood = 1"}, "schema", "at: /case/0", id="a-member-too-many"),
    pytest.param({"mine.toml": WHOLE.replace('expect = "permit"', "")}, "schema", "at: /case/0/expect", id="no-answer"),
    pytest.param({"mine.toml": WHOLE.replace('"permit"', '"deny"')}, "schema", "at: /case/0/expect", id="no-reason"),
    pytest.param({"mine.toml": "at = 2026-09-21\n" + WHOLE}, "schema", "no form for", id="a-date-of-tomls"),
    pytest.param({"mine.toml": 'at = "noon"\n' + WHOLE}, "schema", "at: /at", id="no-time"),
    pytest.param({"mine.toml": WHOLE.replace('"CLEAR"', '"PINK"')}, "schema", "at: /handling/tlp", id="no-marking"),
    pytest.param({"mine.toml": WHOLE.replace(HANDLING, '"x"')}, "schema", "at: /handling", id="handling-that-is-none"),
    pytest.param(
        {"mine.toml": WHOLE.replace('"permit"', '{ us-dea = ["2.tlp-rde"] }')}, "schema", "2.tlp-rde", id="no-such-rule"
    ),
    pytest.param(
        {"mine.toml": WHOLE.replace('"permit"', '{ us-cbp = ["2.tlp-red"] }')}, "schema", "us-cbp", id="not-addressed"
    ),
    pytest.param({"mine.toml": 'directory = "x.json"\n' + WHOLE, "x.json": "{}"}, "schema", "x.json", id="no-realm"),
    pytest.param({"mine.toml": 'directory = "gone.json"\n' + WHOLE}, "config-invalid", "gone.json", id="realm-gone"),
    pytest.param({"readme.md": "none"}, "schema", "found none", id="no-files"),
    pytest.param({"mine.toml": "#" * (2**20 + 1)}, "too-large", "mine.toml", id="too-large"),
]


@pytest.mark.parametrize(("files", "code", "said"), BAD)
def test_bad_cases_are_refused_by_file_and_place(setu, cases, files, code, said):
    for name, text in files.items():
        folder = cases(text, name)
    found = setu("policy", "test", folder)
    assert found.status == 1
    assert found.err.startswith(f"{code}: ")
    assert said in found.err
    assert found.out == ""


def test_the_example_that_contributors_read_holds(setu, made, cases):
    text = (Path(__file__).parents[3] / "CONTRIBUTING.md").read_text("utf-8")
    folder = cases(text.partition("```toml\n")[2].partition("```")[0])
    shutil.copy(made.path / "policies/cases/realm.json", folder)
    found = setu("policy", "test", folder, "--json").json()
    assert [(each["ok"], list(each["found"])) for each in found["cases"]] == [(True, []), (True, ["in-nia"])]
