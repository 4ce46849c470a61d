"""Kinds, samples and checks of payloads, offline."""

import json

import pytest

from schemas import registry

KINDS = registry.kinds()


def test_every_kind_is_listed(setu):
    found = setu("schema", "list", "--json").json()["kinds"]
    assert [(each["kind"], tuple(each["versions"])) for each in found] == [
        (kind, registry.versions(kind)) for kind in KINDS
    ]
    people = setu("schema", "list").out
    assert [kind for kind in KINDS if kind not in people] == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_passes_its_own_check(setu, kind):
    sample = setu("schema", "sample", kind)
    assert setu("schema", "check", kind, "-", stdin=sample.out).status == 0
    assert json.loads(sample.out) == setu("schema", "sample", kind, "--json").json()


@pytest.mark.parametrize("kind", KINDS)
def test_show_prints_the_json_schema(setu, kind):
    assert setu("schema", "show", kind, "--json").json() == registry.json_schema(kind, registry.versions(kind)[-1])


def test_a_sample_is_had_by_name(setu):
    name = next(iter(registry.samples("pen")))
    assert json.loads(setu("schema", "sample", "pen", name).out) == registry.samples("pen")[name]
    refused = setu("schema", "sample", "pen", "nothing")
    assert refused.status == 2
    assert name in refused.err


@pytest.mark.parametrize(
    ("content", "pointer"),
    [
        pytest.param(b"{}", "/title", id="empty"),
        pytest.param(b'{"title":1,"title":2}', "", id="a-name-twice"),
        pytest.param(b"\xff\xfe", "", id="no-utf8"),
        pytest.param(b"[]", "", id="no-object"),
    ],
)
def test_what_is_no_payload_is_refused_with_a_pointer(setu, write, content, pointer):
    said = setu("schema", "check", "tip", write("p.json", content), "--json")
    found = said.json()
    assert said.status == 1
    assert found["ok"] is False
    assert found["faults"][0]["pointer"] == pointer


def test_people_are_told_each_fault(setu, write):
    said = setu("schema", "check", "tip", write("p.json", {}))
    assert said.status == 1
    assert "/title: expected this member" in said.out


def test_what_is_doubtful_is_told_and_refuses_nothing(setu, write):
    notice = registry.samples("pen")["notify"]
    notice["substance"]["name"] = "Zq7Marker"
    said = setu("schema", "check", "pen", write("p.json", notice), "--json")
    assert (said.status, said.json()["ok"], said.json()["faults"]) == (0, True, [])
    assert [each["pointer"] for each in said.json()["warnings"]] == ["/substance/name", "/substance/hs6"]
    people = setu("schema", "check", "pen", write("p.json", notice))
    assert people.status == 0
    assert "look again at /substance/name: expected 4-Piperidone" in people.out
    assert "Zq7Marker" not in said.out + people.out
    tip = setu("schema", "check", "tip", write("t.json", registry.samples("tip")["bengali-market"]), "--json")
    assert tip.json()["warnings"] == []


def test_a_payload_and_its_handling_are_judged_together(setu, write):
    handling = registry.sample_handling()
    handling["flags"]["sanitised"] = False
    words = ("schema", "check", "tip", write("p.json", next(iter(registry.samples("tip").values()))), "--handling")
    said = setu(*words, write("h.json", handling), "--json")
    assert said.status == 1
    assert said.json()["faults"][0]["rule"] == "9.sanitised"
    assert setu(*words, write("h.json", registry.sample_handling())).status == 0


@pytest.mark.parametrize("words", [("show", "brew"), ("sample", "brew"), ("show", "tip", "--version", "99")])
def test_an_unknown_kind_is_refused(setu, words):
    said = setu("schema", *words)
    assert (said.status, said.out) == (1, "")
    assert said.err.startswith("kind-unknown:")
