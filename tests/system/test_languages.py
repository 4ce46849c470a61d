"""Other languages judge our vectors: the examples take every good one, and refuse every failing twin with its code."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from broker.crypto.keyfile import write_key
from schemas.directory import KeyUse
from schemas.packet import SuiteName
from tests.builders import NOW, authority, member
from tests.forge import Forge
from tests.system.languages import BUILD, Programs
from tests.vectors import apply, path_of, realm_of

READER = "us-dea"
ACCEPTED = "accepted"
ODD_TEXT = '" \\ / \b\f\n\r\t \x01\x1f \x7f \x80 \u00e9 \u0905 \u2028\u2029 \uffff \U0001f6a2'
Case = tuple[str, Any, str, tuple[str, ...]]
"""What it is called, the object, what is expected of it, the kids of keys that are revoked."""


@cache
def vectors(suite: SuiteName) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path_of(suite).read_text("utf-8"))
    return found


def cases(suite: SuiteName) -> list[Case]:
    found: list[Case] = []
    for what in ("packet", "acknowledgement"):
        for good in vectors(suite)[f"{what}s"]:
            found.append((f"{what}: {good['name']}", good[what], ACCEPTED, ()))
            for twin in good["failing"]:
                bent = apply(good[what], twin["patch"])
                found.append((f"{what}: {twin['name']}", bent, twin["code"], tuple(twin.get("revoked", ()))))
    found += [(f"packet: {name}", made, expected, ()) for name, (expected, made) in headers(suite).items()]
    for n, key in enumerate(vectors(suite)["keys"]):
        found.append((f"key {n}: {key['alg']} of {key['agency']}", key, ACCEPTED, ()))
    for key in vectors(suite)["refused_keys"]:
        found.append((f"refused key: {key['why']}", key, "key-unknown", ()))
    return found


def headers(suite: SuiteName) -> dict[str, tuple[str, Any]]:
    """Beside the vectors: what else a header may hold, and the canonical form of any text in it."""
    digest = vectors(suite)["packets"][0]["digest"]
    members = {
        "act and in_reply_to": (ACCEPTED, {"act": {"does": "asks", "due": NOW}, "in_reply_to": digest}),
        "sources": (ACCEPTED, {"sources": [digest, "A" * 64]}),
        "a source twice": ("schema", {"sources": [digest, digest]}),
        "no source": ("schema", {"sources": []}),
        "an act that is text": ("schema", {"act": "asks"}),
        "null deep in the act": ("schema", {"act": {"does": "asks", "due": None}}),
        "a number below zero deep in the act": ("schema", {"act": {"does": "asks", "due": -1}}),
        "a large number in the act": (ACCEPTED, {"act": {"due": 2**53 - 1}}),
        "text to escape": (ACCEPTED, {"act": {"z": ODD_TEXT, "a": [True, False, [], {}, ODD_TEXT], "B": ""}}),
    }
    return {
        name: (
            expected,
            Forge(realm_of(vectors(suite)), to=(READER,), fields=lambda fields, more=more: fields | more).object(),
        )
        for name, (expected, more) in members.items()
    }


def agency_folder(home: Path, suite: SuiteName, revoked: tuple[str, ...]) -> Path:
    """What an agency has, with the vectors' keys and the directory that lists them."""
    realm = realm_of(vectors(suite), revoked)
    reader = member(READER, suite)
    (home / "keys").mkdir(parents=True)
    for use, key in ((KeyUse.SIGN, reader.sign.classical), (KeyUse.SIGN, reader.sign.post_quantum), (KeyUse.WRAP, reader.wrap)):  # fmt: skip
        write_key(home / "keys" / f"{key.alg}.key", key, use)
    (home / "root.json").write_bytes(f"first root of {realm.name}".encode())
    (home / "directory.json").write_bytes(realm.directory.canonical())
    (home / "agency.toml").write_text(
        f'agency = "{READER}"\nurl = "https://localhost:1"\ngateway = "{realm.gateway}"\n', "utf-8"
    )
    reader.tls.save(home / "tls.pem", home / "tls.key")
    authority("in").issued.save(home / "gateway-ca.pem", home / "unused.key")
    return home


Judged = Callable[[str, SuiteName], dict[str, dict[str, Any]]]


@pytest.fixture(scope="module")
def judged(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """What a language's example says of each case; it is asked once for each directory."""

    @cache
    def judge(language: str, suite: SuiteName) -> dict[str, dict[str, Any]]:
        said = {}
        by_directory: dict[tuple[str, ...], list[Case]] = {}
        for case in cases(suite):
            by_directory.setdefault(case[3], []).append(case)
        for revoked, those in by_directory.items():
            folder = agency_folder(tmp_path_factory.mktemp("vectors") / "agency", suite, revoked)
            answers = programs.get(language).check(folder, [case[1] for case in those])
            said |= {case[0]: answer for case, answer in zip(those, answers, strict=True)}
        return said

    return judge


TABLE = [
    pytest.param(suite, name, expected, id=f"{suite}: {name}")
    for suite in SuiteName
    for name, _, expected, _ in cases(suite)
]


@pytest.mark.parametrize("language", BUILD)
@pytest.mark.parametrize(("suite", "name", "expected"), TABLE)
def test_it_judges_the_vectors_as_the_code_says(
    judged: Judged, language: str, suite: SuiteName, name: str, expected: str
):
    assert judged(language, suite)[name].get("refused", ACCEPTED) == expected


@pytest.mark.parametrize("language", BUILD)
@pytest.mark.parametrize("suite", SuiteName)
def test_it_opens_to_the_payload_and_finds_digest_and_kids(judged: Judged, language: str, suite: SuiteName):
    said = judged(language, suite)
    for good in vectors(suite)["packets"]:
        assert said[f"packet: {good['name']}"] == {"digest": good["digest"], "payload": json.loads(good["payload"])}
    for good in vectors(suite)["acknowledgements"]:
        assert said[f"acknowledgement: {good['name']}"] == {"acknowledged": good["body"]["event"]}
    for n, key in enumerate(vectors(suite)["keys"]):
        assert said[f"key {n}: {key['alg']} of {key['agency']}"] == {"kid": key["kid"], "own": key["kid"]}
