"""What a log's entries say of places and clocks, read as schemas/spec/ledger.md has it and with nothing of the broker's."""

import json
from collections.abc import Iterable
from typing import Any

FORWARD = {
    "pending": ("offered", "received", "opened", "rejected", "withheld", "expired", "retracted"),
    "offered": ("received", "opened", "rejected", "withheld", "expired", "retracted"),
    "received": ("opened", "rejected", "retracted"),
    "opened": ("retracted",),
    "rejected": ("retracted",),
}
ENDS = ("withheld", "expired", "retracted")


class Replay:
    """`states`: (digest, recipient) -> state; `clocks`: (digest, recipient, word) -> (due, state); `purged`: digests."""

    def __init__(self, entries: Iterable[bytes]) -> None:
        self.states: dict[tuple[str, str], str] = {}
        self.clocks: dict[tuple[str, str, str], tuple[int, str]] = {}
        self.purged: set[str] = set()
        self._offered: set[tuple[str, str]] = set()
        for raw in entries:
            entry = json.loads(raw)
            if "packet" in entry:
                self._entry(entry, entry["packet"]["digest"], entry.get("recipient"))

    def _entry(self, entry: dict[str, Any], digest: str, recipient: str) -> None:
        match entry["type"]:
            case "accepted":
                to = [each for each in entry["packet"]["to"] if each != entry["aud"]["gateway"]]
                self.states |= {(digest, each): "pending" for each in to}
                self._act(entry.get("act", {"does": None}), digest, entry["actor"], to)
            case "delivered":
                self._offered.add((digest, recipient))
                self._move(digest, recipient, "offered")
            case "acknowledged":
                self._move(digest, recipient, entry["event"])
            case "rejected_by_recipient":
                self._move(digest, recipient, "rejected")
            case "expired":
                self._move(digest, recipient, "expired")
            case "withheld" if "channel" not in entry:
                self._move(digest, recipient, "withheld")
            case "overdue":
                due, state = self.clocks[digest, recipient, entry["word"]]
                assert (due, state) == (entry["due"], "running")
                self.clocks[digest, recipient, entry["word"]] = (due, "overdue")
            case "purged":
                self.purged.add(digest)

    def _act(self, act: dict[str, Any], digest: str, actor: str, to: list[str]) -> None:
        match act["does"]:
            case "asks":
                for each in to:
                    self._start(digest, each, "answer", act["due"])
            case "extends":
                for each in to:
                    if (act["of"], each, "answer") in self.clocks:
                        self._start(act["of"], each, "answer", act["due"])
            case "answers":
                self._stop(act["of"], actor, "answer")
            case "attests":
                self._stop(act["of"], actor, "destruction")
            case "withdraws":
                for each in [recipient for of, recipient in self.states if of == act["of"]]:
                    if (act["of"], each) in self._offered:
                        self._start(act["of"], each, "destruction", act["due"])
                    self._move(act["of"], each, "retracted")
                    self._stop(act["of"], each, "answer")

    def _move(self, digest: str, recipient: str, state: str) -> None:
        before = self.states[digest, recipient]
        if state in FORWARD.get(before, ()):
            self.states[digest, recipient] = state
            if state in ENDS and (before, state) != ("offered", "expired"):
                self._stop(digest, recipient, "answer")

    def _start(self, digest: str, recipient: str, word: str, due: int) -> None:
        if self.clocks.get((digest, recipient, word), (0, ""))[1] != "stopped":
            self.clocks[digest, recipient, word] = (due, "running")

    def _stop(self, digest: str, recipient: str, word: str) -> None:
        if (digest, recipient, word) in self.clocks:
            self.clocks[digest, recipient, word] = (self.clocks[digest, recipient, word][0], "stopped")


def check(reader: Any, entries: Iterable[bytes]) -> Replay:
    """The store's places, clocks and bytes are what the entries say."""
    said = Replay(entries)
    digests = sorted({digest for digest, _ in said.states})
    found = reader.packets(digests)
    assert {(d, to): str(state) for d in digests for to, state in found[d].states.items()} == said.states
    clocks = {
        (d, each.recipient, str(each.word)): (each.due, str(each.state)) for d in digests for each in reader.clocks(d)
    }
    assert clocks == said.clocks
    assert {d for d in digests if found[d].raw is None} == said.purged
    assert {d for d in digests if found[d].kept is not None} == said.purged
    return said
