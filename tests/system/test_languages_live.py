"""Tips between Python, Go, Java and JavaScript, through a real gateway over mutual TLS 1.3, and what must not pass."""

import copy
import json
import re
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from broker.assembly import connect
from broker.cli.deployment import create
from broker.cli.served import Served, free_port
from schemas.packet import SuiteName
from schemas.registry import sample_handling, samples
from tests.system.languages import BUILD, MissingError, Programs

SENDER, GATEWAY, AUDITOR = "in-ncb", "in-setu", "in-audit"
READERS = {"go": "us-cbp", "java": "us-hsi", "js": "us-dea", "python": "in-nia"}
"""Whose program is written in which language."""


class Site:
    """A gateway of this suite, and its agencies' folders with what an example needs."""

    def __init__(self, home: Path, suite: SuiteName, programs: Programs) -> None:
        self.programs = programs
        self.home = home
        self.deployment = create(
            home / "deployment", demo=True, host="localhost", port=free_port(), operations_port=free_port(), suite=suite
        )
        self.tip = next(iter(samples("tip").values()))
        # Every reader's mandate, and a marking under which several agencies may have one packet.
        self.handling = {**sample_handling(), "purpose": ["officer-safety"], "tlp": "GREEN"}
        self._opened: dict[str, Any] = {}
        for name, value in (("tip", self.tip), ("handling", self.handling)):
            (home / f"{name}.json").write_text(json.dumps(value), "utf-8")

    def learn_directory(self) -> None:
        """As `setu directory show` writes it: fetched from the gateway, verified from the pinned root."""
        for agency in self.deployment.agencies:
            with connect(self.deployment.agencies[agency]) as setu:
                found = setu.directory.current()
                (self.folder(agency) / "directory.json").write_bytes(found.raw)
                (daily,) = found.gateways
                (self.folder(agency) / "wrap-keys.json").write_bytes(daily.document.canonical())

    def folder(self, agency: str) -> Path:
        return self.deployment.agencies[agency].parent

    def send(self, language: str, *readers: str, payload: str = "tip", handling: str = "handling") -> Any:
        """The example's process; it was told to send the tip to these readers."""
        files = (self.home / f"{payload}.json", self.home / f"{handling}.json")
        return self.programs.get(language).run("send", self.folder(SENDER), "tip", *files, *readers)

    def sent_by_python(self, *to: str) -> str:
        with connect(self.deployment.agencies[SENDER]) as setu:
            return setu.send("tip", to=list(to), payload=self.tip, handling=self.handling).digest

    def entries(self, kind: str) -> list[Any]:
        with connect(self.deployment.agencies[AUDITOR]) as setu:
            return [item.entry for item in setu.search(types=[kind])]

    @cache  # noqa: B019 - a site lives as long as the tests of its suite
    def sent(self) -> dict[str, str]:
        """The digest of a tip to every reader, by the language that sealed it; only languages that are here."""
        digests = {"python": self.sent_by_python(*READERS.values())}
        for language in BUILD:
            if not isinstance(self.programs.find(language), MissingError):
                done = self.send(language, *READERS.values(), GATEWAY)
                assert done.returncode == 0, done.stderr
                digests[language] = json.loads(done.stdout)["digest"]
        return digests

    def opened(self) -> dict[str, Any]:
        """What our own program received so far, verified and opened, by digest."""
        with connect(self.deployment.agencies[READERS["python"]]) as setu:
            self._opened |= {each.digest: each for each in setu.follow("tip", drain=True)}
        return self._opened

    @cache  # noqa: B019
    def delivered(self) -> tuple[Any, Any]:
        """A packet and its receipt, as our own program got and verified them."""
        self.sent()
        with connect(self.deployment.agencies[READERS["js"]]) as setu:
            found = next(iter(setu.follow("tip", drain=True)))
            return json.loads(found.raw), found.receipt.to_object()


@pytest.fixture(scope="module", params=SuiteName)
def site(request: Any, tmp_path_factory: pytest.TempPathFactory, programs: Programs) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("site")
    made = Site(home, request.param, programs)
    with Served(made.deployment, home / "gateway.log"):
        made.learn_directory()
        yield made


@pytest.mark.parametrize("language", BUILD)
def test_what_it_seals_is_accepted_and_python_opens_it(site: Site, language: str):
    site.programs.get(language)
    digest = site.sent()[language]
    assert digest in {entry.packet.digest for entry in site.entries("accepted")}
    found = site.opened()[digest]
    assert found.header.open
    assert found.header.handling.to_object() == site.handling
    assert found.as_object() == site.tip


@pytest.mark.parametrize("language", BUILD)
def test_what_it_seals_past_the_gateway_is_accepted_and_python_opens_it(site: Site, language: str):
    done = site.send(language, READERS["python"])
    assert done.returncode == 0, done.stderr
    found = site.opened()[json.loads(done.stdout)["digest"]]
    assert not found.header.open
    assert found.as_object() == site.tip


@pytest.mark.parametrize("language", BUILD)
def test_it_opens_what_every_language_sealed_and_acknowledges_it(site: Site, language: str):
    program, digests, reader = site.programs.get(language), site.sent(), READERS[language]
    done = program.run("receive", site.folder(reader), "tip")
    assert done.returncode == 0, done.stderr
    said = {each["digest"]: each for each in map(json.loads, done.stdout.splitlines())}
    assert set(digests.values()) <= said.keys()
    assert all(said[digest]["payload"] == site.tip for digest in digests.values())
    opened = {entry.packet.digest for entry in site.entries("acknowledged") if (entry.actor, entry.event) == (reader, "opened")}  # fmt: skip
    assert set(digests.values()) <= opened


@pytest.mark.parametrize("language", BUILD)
def test_it_tells_why_the_gateway_refused(site: Site, language: str):
    (site.home / "wrong.json").write_text('{"title":"no more than a title"}', "utf-8")
    done = site.send(language, READERS["js"], GATEWAY, payload="wrong")
    assert done.returncode == 1
    assert done.stderr.startswith("Refused (schema): The gateway answers 422: ")


@pytest.mark.parametrize("language", BUILD)
def test_it_tells_which_rule_refused_and_what_would_change_it(site: Site, language: str):
    (site.home / "purpose.json").write_text(json.dumps(site.handling | {"purpose": ["public-health"]}), "utf-8")
    done = site.send(language, READERS["js"], GATEWAY, handling="purpose")
    assert done.returncode == 1
    first, *rules = done.stderr.splitlines()
    assert first.startswith("Refused (policy-denied): The gateway answers 403: ")
    assert any(line.startswith(f"  1.purpose ({READERS['js']}): ") for line in rules), rules


@pytest.mark.parametrize("language", BUILD)
def test_it_tells_how_it_is_used_and_which_file_is_not_there(site: Site, language: str):
    program = site.programs.get(language)
    done = program.run("send")
    assert (done.returncode, "send FOLDER KIND PAYLOAD.json HANDLING.json READER..." in done.stderr) == (1, True)
    done = program.run("receive", site.home / "nowhere", "tip")
    assert (done.returncode, "nowhere" in done.stderr, re.search("(?i)no ?such ?file", done.stderr) is not None) == (
        1,
        True,
        True,
    )


def bent(path: str, change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The object with one member changed."""

    def bend(good: Any) -> Any:
        changed = copy.deepcopy(good)
        *way, last = [int(step) if step.isdigit() else step for step in path.split("/")]
        inner = changed
        for step in way:
            inner = inner[step]
        inner[last] = change(inner[last])
        return changed

    return bend


def other(text: str) -> str:
    """Another text of the same length, and still canonical base64url."""
    return ("B" if text[0] == "A" else "A") + text[1:]


PACKETS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "header": ("envelope-invalid", bent("jwe/aad", other)),
    "iv": ("envelope-invalid", bent("jwe/iv", other)),
    "ciphertext": ("envelope-invalid", bent("jwe/ciphertext", other)),
    "tag": ("envelope-invalid", bent("jwe/tag", other)),
    "wrap": ("envelope-invalid", bent("jwe/recipients/0/encrypted_key", other)),
    "encapsulated key": ("envelope-invalid", bent("jwe/recipients/0/header/ek", other)),
    "manifest": ("envelope-invalid", bent("jws/payload", other)),
    "classical signature": ("signature-invalid", bent("jws/signatures/0/signature", other)),
    "post-quantum signature": ("signature-invalid", bent("jws/signatures/1/signature", other)),
    "signatures swapped": ("signature-invalid", bent("jws/signatures", lambda both: both[::-1])),
    "a reader less": ("envelope-invalid", bent("jwe/recipients", lambda them: them[1:])),
}


def line(number: int, change: Callable[[str], str]) -> Callable[[Any], Any]:
    """The receipt with a line of its checkpoint changed; lines end with a line feed."""

    def edit(note: str) -> str:
        lines = note.splitlines(keepends=True)
        lines[number] = change(lines[number])
        return "".join(lines)

    return bent("checkpoint", edit)


def forged(text: str) -> str:
    """A signature line with another byte in the middle of the signature."""
    place = len(text) // 2
    return text[:place] + ("B" if text[place] == "A" else "A") + text[place + 1 :]


RECEIPTS: dict[str, Callable[[Any], Any]] = {
    "another entry": bent("entry", lambda text: text[:40] + other(text[40:])),
    "another place": bent("index", lambda index: index + 1),
    "a place beyond the tree": bent("index", lambda index: index + 2**40),
    "a longer path": bent("path", lambda path: [*path, "A" * 43]),
    "a shorter path": bent("path", lambda path: path[:-1]),
    "another path": bent("path/0", other),
    "another origin": line(0, lambda text: f"x{text}"),
    "another size": line(1, lambda text: f"1{text}"),
    "another root": line(2, lambda text: ("B" if text[0] == "A" else "A") + text[1:]),
    "no classical signature": line(4, lambda _: ""),
    "no post-quantum signature": line(5, lambda _: ""),
    "no signature": bent("checkpoint", lambda note: note.partition("\n\n")[0] + "\n\n"),
    "a classical signature twice": line(4, lambda text: text * 2),
    "another classical signature": line(4, forged),
    "another post-quantum signature": line(5, forged),
    "a member more": lambda good: {**good, "x": 1},
    "another format": bent("v", lambda _: "setu2.receipt"),
}


@pytest.fixture(scope="module")
def said(site: Site) -> Callable[[str], dict[str, Any]]:
    """What an example says of the good packet and receipt and each of their twins; it is asked once."""

    @cache
    def ask(language: str) -> dict[str, Any]:
        packet, receipt = site.delivered()
        found = {"packet": packet, "receipt": receipt}
        found |= {f"packet: {name}": bend(packet) for name, (_, bend) in PACKETS.items()}
        found |= {f"receipt: {name}": bend(receipt) for name, bend in RECEIPTS.items()}
        answers = site.programs.get(language).check(site.folder(READERS["js"]), list(found.values()))
        return dict(zip(found, answers, strict=True))

    return ask


@pytest.mark.parametrize("language", BUILD)
def test_it_takes_the_packet_and_the_receipt(site: Site, said: Callable[[str], dict[str, Any]], language: str):
    _, receipt = site.delivered()
    assert said(language)["packet"]["payload"] == site.tip
    assert said(language)["receipt"] == {"index": receipt["index"]}


@pytest.mark.parametrize("language", BUILD)
@pytest.mark.parametrize("name", PACKETS)
def test_it_refuses_a_packet_with_another(said: Callable[[str], dict[str, Any]], language: str, name: str):
    assert said(language)[f"packet: {name}"]["refused"] == PACKETS[name][0]


@pytest.mark.parametrize("language", BUILD)
@pytest.mark.parametrize("name", RECEIPTS)
def test_it_refuses_a_receipt_with(said: Callable[[str], dict[str, Any]], language: str, name: str):
    assert said(language)[f"receipt: {name}"].get("refused") == "receipt-invalid"


@pytest.mark.parametrize("language", BUILD)
def test_it_raises_the_alarm_where_a_version_has_two_directories(site: Site, tmp_path: Path, language: str):
    _, receipt = site.delivered()
    folder = shutil.copytree(site.folder(READERS["js"]), tmp_path / "agency")
    document = json.loads((folder / "directory.json").read_bytes())
    (folder / "directory.json").write_text(json.dumps({**document, "name": "another"}), "utf-8")
    done = site.programs.get(language).run("check", folder, text=json.dumps(receipt))
    assert done.returncode == 1
    assert done.stderr.startswith("ALARM: two directories of version 1.")
    assert done.stdout == ""
