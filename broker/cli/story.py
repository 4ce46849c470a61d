"""The demonstration's story: the published Bengali Market case with invented details, told in packets.

Each step does something real and raises where it does not hold; what it returns is said of it.
"""

import json
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from broker.assembly import connect
from broker.assembly.keys import keys_in, signer_of
from broker.cli.deployment import Deployment
from broker.cli.evidence import verify_proof
from broker.cli.hostile import CLOSED, RAID, tampered, two_texts
from broker.cli.trust import Trust
from broker.crypto.keys import PublicKey
from broker.envelope.seal import Draft, Sealed, Signer, seal
from broker.errors import NotFoundError, PolicyError, SetuError
from broker.ledger.fsck import check_log
from broker.ledger.mirror import files_in, mirror
from broker.ledger.port import EntryFilter
from broker.ledger.search import search_mirror
from broker.merkle.note import parse_checkpoint
from broker.merkle.receipt import verify_receipt
from broker.sdk.client import Client
from broker.sdk.posting import Sent
from broker.sdk.source import Source
from schemas import registry
from schemas.canonical import canonical
from schemas.directory import Log
from schemas.evidence import EntryType
from schemas.packet import Audience
from schemas.problem import Code

HANDLING = registry.sample_handling()
ARRIVES = 30.0
"""Seconds within which what was accepted has come to whoever reads it."""

Step = tuple[str, str, Callable[[], str]]
"""A name for programs, a title for people, and what is done."""


class StepFailedError(Exception):
    """A step did not hold; says what was expected and found."""


def require(held: object, expected: str, found: object = "something else") -> None:
    if not held:
        raise StepFailedError(f"Expected {expected}, found {found}.")


@dataclass
class Cast:
    """Who takes part: one connection for each agency, and where things are kept.

    source: what an agency reads its packets from; by default its gateway.
    """

    deployment: Deployment
    folder: Path
    source: Callable[[str], Source | None] = lambda _: None
    members: dict[str, Client] = field(default_factory=dict)

    def member(self, agency: str) -> Client:
        if agency not in self.members:
            self.members[agency] = connect(self.deployment.agencies[agency])
        return self.members[agency]

    def close(self) -> None:
        for client in self.members.values():
            client.close()


class Story:
    """Tell it with `for name, title, play in story.steps(): detail = play()`.

    `more`: steps to play before the auditor looks at everything.
    """

    def __init__(self, cast: Cast, more: Iterable[Step] = ()) -> None:
        self._cast = cast
        self._more = more
        self._sent: dict[str, Sent] = {}
        self._gateway = cast.deployment.gateway().gateway
        self._last = -1
        self._mirror = cast.folder / "log"

    def steps(self) -> Iterator[Step]:
        yield "tip-accepted", "NCB seals a tip for the DEA and sends it", self._tip
        yield "trail-accepted", "NCB sends where the money went", self._trail
        yield "notice-accepted", "NCB notifies an export of a precursor", self._notice
        yield "repeat-same-receipt", "NCB's line broke: it asks again", self._repeat
        yield "refused-by-policy", "NCB would let FinCEN have what is above the ceiling", self._policy
        yield "refused-tampered", "Somebody changes one bit on the way", self._tampered
        yield "refused-replayed", "CBP's stolen client replays NCB's packet", self._replayed
        yield "refused-id-reused", "An id is used again for another content", self._id_reused
        yield "refused-other-realm", "A packet of an exercise realm arrives in this one", self._other_realm
        yield "refused-two-plaintexts", "A dishonest insider seals one ciphertext with two meanings", self._two_texts
        yield "nothing-for-outsiders", "FinCEN asks for a packet that is not its own", self._outsider
        yield "received-and-opened", "DEA follows its topics, verifies and opens each packet", self._receive
        yield "sender-sees-it", "NCB looks up what became of its tip", self._timeline
        yield from self._more
        yield "log-mirrored", "The US auditor mirrors the log", self._mirrored
        yield "exchange-found", "... finds the exchange in the mirror, offline", self._found
        yield "verified-offline", "... and checks every entry, tile and head with public keys alone", self._verified
        yield "proof-verified", "... and one packet's proof bundle", self._proof
        yield "deletion-detected", "Somebody deletes an entry from a copy", self._deleted

    def _send(self, kind: str, sample: str, **options: Any) -> str:
        payload = registry.samples(kind)[sample]
        sent = self._cast.member("in-ncb").send(kind, to=["us-dea"], payload=payload, handling=HANDLING, **options)
        self._keep(kind, sent)
        return f"{len(sent.raw):,} bytes sealed; ledger index {sent.index}; receipt verified"

    def _keep(self, name: str, sent: Sent) -> None:
        self._sent[name] = sent
        _write(self._cast.folder / "packets" / f"{name}.json", sent.raw)
        _write(self._cast.folder / "receipts" / f"{name}.json", sent.receipt.canonical())

    def _tip(self) -> str:
        return self._send("tip", next(iter(registry.samples("tip"))), precedence="IMMEDIATE")

    def _trail(self) -> str:
        tip = self._sent["tip"]
        return self._send(
            "payment-trail",
            next(iter(registry.samples("payment-trail"))),
            thread=tip.header.thread,
            in_reply_to=tip.digest,
        )

    def _notice(self) -> str:
        return self._send("pen", next(iter(registry.samples("pen"))))

    def _repeat(self) -> str:
        tip = self._sent["tip"]
        again = self._cast.member("in-ncb").post(tip.raw)
        require(again.receipt == tip.receipt, "the same receipt, byte for byte", "another")
        return f"the same receipt of index {again.index}; still accepted once"

    def _policy(self) -> str:
        handling = {**HANDLING, "classification": {"system": "IN", "level": "SECRET"}}
        sealed = self._sealed("in-ncb", ["us-fincen", self._gateway], handling=handling)
        try:
            self._cast.member("in-ncb").post(sealed.raw)
        except PolicyError as error:
            _write(self._cast.folder / "packets" / "refused-by-policy.json", sealed.raw)
            hit = error.rules[0]
            return f"rule {hit.rule}: {hit.sentence} What would change it: {hit.remedy}"
        raise StepFailedError("Expected a refusal by policy, found a receipt.")

    def _tampered(self) -> str:
        return self._refused("in-ncb", "tampered", tampered(self._sent["tip"].raw), Code.ENVELOPE_INVALID)

    def _replayed(self) -> str:
        return self._refused("us-cbp", "replayed", self._sent["tip"].raw, Code.SENDER_MISMATCH)

    def _id_reused(self) -> str:
        tip = self._sent["tip"]
        sealed = self._sealed("in-ncb", ["us-dea", self._gateway], packet_id=tip.id)
        return self._refused("in-ncb", "id-reused", sealed.raw, Code.ID_CONFLICT)

    def _other_realm(self) -> str:
        other = Audience(realm="A" * 64, gateway=self._gateway)
        sealed = self._sealed("in-ncb", ["us-dea", self._gateway], audience=other)
        return self._refused("in-ncb", "other-realm", sealed.raw, Code.WRONG_AUDIENCE)

    def _two_texts(self) -> str:
        readers = [self._gateway, "us-dea"]
        header = self._sealed("in-nia", readers).header
        raw, readings = two_texts(header, [self._wrap_key(each) for each in readers], self._signer("in-nia"))
        require(CLOSED in readings[0] and RAID in readings[1], "AES-GCM to open to two texts", "one")
        said = self._refused("in-nia", "two-plaintexts", raw, Code.COMMITMENT_MISMATCH)
        return f"AES-GCM alone reads “bridge closed” or “raid at 04:00”, as the key goes; Setu: {said}"

    def _refused(self, agency: str, name: str, raw: bytes, code: Code) -> str:
        _write(self._cast.folder / "packets" / f"refused-{name}.json", raw)
        try:
            self._cast.member(agency).post(raw)
        except SetuError as error:
            require(error.code is code, f"the code {code}", error.code)
            return f"{error.code}: {error.message}"
        raise StepFailedError(f"Expected a refusal ({code}), found a receipt.")

    def _outsider(self) -> str:
        outsider, answers = self._cast.member("us-fincen"), []
        for digest in (self._sent["tip"].digest, "A" * 64):
            try:
                outsider.timeline(digest)
            except NotFoundError as error:
                answers.append(str(error))
        require(len(answers) == 2 and answers[0] == answers[1], "the answer for what does not exist", answers)  # noqa: PLR2004
        return "the same answer as for a packet that does not exist"

    def _receive(self) -> str:
        seen: list[str] = []
        expected = {sent.digest for sent in self._sent.values()}
        deadline, way = time.monotonic() + ARRIVES, ""
        while not expected <= set(seen) and time.monotonic() < deadline:
            source = self._cast.source("us-dea")
            way = "" if source is None else " from Kafka"
            for packet in self._cast.member("us-dea").follow(*self._sent, drain=True, wait=0, source=source):
                self._last = packet.acknowledge("opened").index
                seen.append(packet.digest)
        require(set(seen) == expected and len(seen) == len(expected), "each packet once, and no other", len(seen))
        return f"{len(seen)} packets{way} verified with their receipts, opened, acknowledged under DEA's own signatures"

    def _timeline(self) -> str:
        timeline = self._cast.member("in-ncb").timeline(self._sent["tip"].digest)
        require(timeline.states == {"us-dea": "opened"}, "the tip opened by us-dea", timeline.states)
        return " > ".join(f"{item.entry.type} (index {item.index})" for item in timeline.items)

    def _mirrored(self) -> str:
        auditor = self._cast.member("us-audit")
        live = list(auditor.search(types=[EntryType.ACKNOWLEDGED]))
        own = sum(item.entry.actor == "us-dea" for item in live)
        require(own == len(self._sent), "as many acknowledgements in the live log", own)
        self._last = max(item.index for item in live)
        self._await_checkpoint(auditor)
        report = mirror(auditor.log_fetch, self._mirror, self._log)
        _write(self._mirror / "vkey", self._log.ed25519.encode() + b"\n")
        _write(self._mirror / "vkeys", f"{self._log.ed25519}\n{self._log.mldsa44}\n".encode())
        return f"{report.size} entries, {report.files} files fetched"

    def _await_checkpoint(self, auditor: Client) -> None:
        """The published checkpoint moves once a second at most."""
        for _ in range(100):
            if parse_checkpoint(auditor.log_fetch("checkpoint")).size > self._last:
                return
            time.sleep(0.05)
        raise StepFailedError("Expected a published checkpoint over the acknowledgements within 5 s, found none.")

    def _found(self) -> str:
        what = EntryFilter(packet=self._sent["tip"].digest)
        found = [json.loads(each.entry)["type"] for each in search_mirror(files_in(self._mirror), what)]
        wanted = [EntryType.ACCEPTED, EntryType.DELIVERED, EntryType.ACKNOWLEDGED]
        require([each for each in found if each in wanted] == wanted, "accepted, delivered, acknowledged", found)
        refused = list(search_mirror(files_in(self._mirror), EntryFilter(types=[EntryType.REFUSED])))
        return f"{', '.join(found)}; and {len(refused)} refusals under valid signatures"

    def _verified(self) -> str:
        report = check_log(files_in(self._mirror), self._log)
        for sent in self._sent.values():
            entry = verify_receipt(sent.receipt, self._log)
            require(entry.packet is not None and entry.packet.digest == sent.digest, "receipts of these packets")
        return f"{report.size} entries rehashed to root {report.root.hex()[:16]}…, both head signatures good"

    def _proof(self) -> str:
        auditor = self._cast.member("us-audit")
        proof = auditor.proof(self._sent["tip"].digest)
        _write(self._cast.folder / "receipts" / "tip.proof.json", proof.canonical())
        proven = verify_proof(proof, Trust(self._gateway, self._log, auditor.directory))
        require(not proven.unchecked, "a bundle of which everything can be checked", proven.unchecked)
        types = [str(entry.type) for _, entry in proven.entries]
        return f"{len(types)} entries against one checkpoint, all signatures good: {', '.join(types)}"

    def _deleted(self) -> str:
        fetch = files_in(self._mirror)
        victim = self._sent["tip"].index

        def forged(path: str) -> bytes:
            raw = fetch(path)
            return _without(raw, victim) if path.startswith("tile/entries/") else raw

        try:
            check_log(forged, self._log)
        except SetuError as error:
            return f"found: {error.message}"
        raise StepFailedError("Expected the verifier to miss the deleted entry, found that it is content.")

    def _signer(self, agency: str) -> Signer:
        settings = self._cast.deployment.agency(agency)
        return signer_of(keys_in(settings.at(settings.keys)))

    @property
    def _log(self) -> Log:
        return self._cast.member("us-audit").directory.current().log(self._gateway)

    def _wrap_key(self, agency: str) -> PublicKey:
        snapshot = self._cast.member("in-ncb").directory.current()
        return PublicKey.from_directory(snapshot.wrap_key(agency, int(time.time())))

    def _sealed(
        self,
        sender: str,
        readers: list[str],
        *,
        handling: dict[str, Any] = HANDLING,
        packet_id: str | None = None,
        audience: Audience | None = None,
    ) -> Sealed:
        """A packet as a program without the SDK's own checks would seal it."""
        options: dict[str, Any] = {"id": packet_id} if packet_id is not None else {}
        payload = registry.samples("tip")[next(iter(registry.samples("tip")))]
        # the SDK would not seal what the policy refuses: this is the head of a packet it seals, with other readers
        model = self._cast.member(sender).seal("tip", to=["us-dea"], payload=payload, handling=HANDLING, **options)
        draft = model.header
        return seal(
            Draft(
                id=draft.id,
                aud=audience or draft.aud,
                from_=sender,
                kind="tip",
                kind_version=1,
                handling=type(draft.handling).from_object(handling),
                thread=str(uuid.uuid4()),
                iat=draft.iat,
                exp=draft.exp,
            ),
            canonical(payload),
            [(each, self._wrap_key(each)) for each in readers],
            self._signer(sender),
            draft.suite,
        )


def _without(bundle: bytes, victim: int) -> bytes:
    """An entry bundle (uint16 length, entry, ...) that lacks one entry."""
    place = number = 0
    while place < len(bundle):
        end = place + 2 + int.from_bytes(bundle[place : place + 2], "big")
        if number == victim:
            return bundle[:place] + bundle[end:]
        place, number = end, number + 1
    return bundle


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
