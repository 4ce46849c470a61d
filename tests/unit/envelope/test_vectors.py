"""The committed vectors: what the code makes, what it accepts, what it refuses and why."""

import json

import pytest

from schemas.canonical import b64u, canonical, unb64u
from schemas.packet import SuiteName
from schemas.problem import Code
from tests.forge import accept, commit, verified
from tests.vectors import (
    apply,
    judge,
    judge_acknowledgement,
    judge_key,
    main,
    make,
    masked,
    path_of,
    realm_of,
)

VECTORS = {suite: json.loads(path_of(suite).read_text()) for suite in SuiteName}


def twins(kind):
    return [
        pytest.param(vectors, good, twin, id=f"{suite}: {twin['name']}")
        for suite, vectors in VECTORS.items()
        for good in vectors[kind]
        for twin in good["failing"]
    ]


@pytest.mark.parametrize("suite", SuiteName)
def test_they_are_what_the_code_makes(suite):
    assert masked(VECTORS[suite]) == masked(make(suite))


def test_the_script_says_when_they_are_not(tmp_path, capsys):
    for suite, vectors in VECTORS.items():
        path_of(suite, tmp_path).write_text(json.dumps(vectors))
    stale = json.loads(path_of(SuiteName.HYBRID_768, tmp_path).read_text())
    stale["packets"][0]["failing"][0]["code"] = "schema"
    path_of(SuiteName.HYBRID_768, tmp_path).write_text(json.dumps(stale))
    assert main(["--check", "--folder", str(tmp_path)]) == 1
    told = capsys.readouterr().out
    assert "hybrid-768.json" in told
    assert "hybrid-1024.json" not in told


@pytest.mark.parametrize("suite", SuiteName)
def test_good_packets_are_accepted(suite):
    vectors = VECTORS[suite]
    realm = realm_of(vectors)
    for good in vectors["packets"]:
        raw = json.dumps(good["packet"]).encode()
        parsed = verified(raw, realm)
        assert parsed.digest == good["digest"]
        assert parsed.header.to_object() == good["header"]
        assert accept(raw, realm, "us-dea") == accept(raw, realm, "in-setu") == good["payload"].encode()


@pytest.mark.parametrize("suite", SuiteName)
def test_the_steps_between_are_as_given(suite):
    for good in VECTORS[suite]["packets"]:
        plain, header = unb64u(good["plain"]), good["header"]
        bare = {name: value for name, value in header.items() if name != "commitment"}
        assert plain.startswith(unb64u(good["random"]["r"]))
        assert b64u(commit(bare, plain)) == header["commitment"]
        assert b64u(canonical(header)) == good["packet"]["jwe"]["aad"]
        assert good["random"]["iv"] == good["packet"]["jwe"]["iv"]


@pytest.mark.parametrize(("vectors", "good", "twin"), twins("packets"))
def test_failing_packets(vectors, good, twin):
    revoked = tuple(twin.get("revoked", ()))
    assert judge(vectors, apply(good["packet"], twin["patch"]), revoked) == twin["code"]


@pytest.mark.parametrize("suite", SuiteName)
def test_good_acknowledgements_are_accepted(suite):
    for good in VECTORS[suite]["acknowledgements"]:
        assert judge_acknowledgement(VECTORS[suite], good["acknowledgement"]) == "accepted"
        assert b64u(canonical(good["body"])) == good["acknowledgement"]["payload"]


@pytest.mark.parametrize(("vectors", "good", "twin"), twins("acknowledgements"))
def test_failing_acknowledgements(vectors, good, twin):
    assert judge_acknowledgement(vectors, apply(good["acknowledgement"], twin["patch"])) == twin["code"]


@pytest.mark.parametrize(
    "key",
    [pytest.param(key, id=f"{key['alg']}: {key['why']}") for each in VECTORS.values() for key in each["refused_keys"]],
)
def test_refused_keys(key):
    assert judge_key(key) == Code.KEY_UNKNOWN
