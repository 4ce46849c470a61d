"""One packet's way through a ledger, in memory: what an auditor would be given of it, and the keys to check it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from broker.cli.trust import Given, Trust
from broker.envelope.acknowledge import Statement, acknowledge, parse_acknowledgement
from broker.envelope.seal import Sealed
from broker.envelope.verify import parse
from broker.merkle.note import LogSigner
from broker.merkle.proof import inclusion_path
from broker.merkle.receipt import make_receipt
from broker.merkle.tree import leaf_hash
from schemas.base import instant
from schemas.canonical import canonical
from schemas.directory import Log
from schemas.evidence import AckEvent, Acknowledgement, AckPacket, Proof, Receipt
from tests.builders import NOW, ORIGIN, Realm
from tests.unit.merkle.trees import mth, nodes


def at(seconds: int) -> str:
    return instant(datetime.fromtimestamp(seconds, UTC))


def realm_with_log() -> Realm:
    realm = Realm()
    ed25519, mldsa44 = LogSigner(ORIGIN, realm.log_ed25519, realm.log_mldsa44).vkeys
    log = {"gateway": realm.gateway, "origin": ORIGIN, "ed25519": ed25519, "mldsa44": mldsa44}
    return Realm(document={"logs": [log]})


@dataclass
class Exchange:
    """in-ncb sends us-dea a packet, which opens and acknowledges it. Change `entries` before `proof` is asked for."""

    realm: Realm = field(default_factory=realm_with_log)
    sealed: Sealed = field(init=False)
    acks: list[bytes] = field(init=False)
    entries: list[dict[str, Any]] = field(init=False)
    _notes: dict[tuple[int, bytes], str] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.sealed = self.realm.sealed("in-ncb", ["us-dea", "in-setu"])
        parsed = parse(self.sealed.raw)
        header = self.sealed.header
        named = AckPacket.from_object({"from": "in-ncb", "id": header.id, "digest": self.sealed.digest, "index": 1})
        statement = Statement(self.realm.aud, "us-dea", AckEvent.OPENED, NOW + 9, named)
        self.acks = [acknowledge(statement, self.realm.members["us-dea"].sign, self.realm.suite)]
        ref = {
            "from": "in-ncb",
            "id": header.id,
            "digest": self.sealed.digest,
            "kind": header.kind,
            "kind_version": 1,
            "to": ["us-dea", "in-setu"],
            "exercise": False,
        }
        self.entries = [
            self.entry("policy_changed", NOW, "in-setu"),
            self.entry("accepted", NOW + 1, "in-ncb", packet=ref, evidence=parsed.evidence),
            self.entry("delivered", NOW + 5, "in-setu", packet=ref, recipient="us-dea", channel="https"),
            self.entry(
                "acknowledged",
                NOW + 9,
                "us-dea",
                packet=ref,
                recipient="us-dea",
                event="opened",
                evidence=parse_acknowledgement(self.acks[0]).evidence,
            ),
        ]

    def entry(self, kind: str, seconds: int, actor: str, **members: Any) -> dict[str, Any]:
        return {
            "v": "setu1.entry",
            "type": kind,
            "time": at(seconds),
            "actor": actor,
            "aud": self.realm.aud.to_object(),
            "directory": self.realm.snapshot.ref.to_object(),
            "policy": "0" * 64,
            **members,
        }

    @property
    def signer(self) -> LogSigner:
        return LogSigner(ORIGIN, self.realm.log_ed25519, self.realm.log_mldsa44)

    @property
    def log(self) -> Log:
        return self.realm.snapshot.log(self.realm.gateway)

    def trust(self, directory: Any = ...) -> Trust:
        return Trust(self.realm.gateway, self.log, Given(self.realm.snapshot) if directory is ... else directory)

    def receipt(self, index: int) -> Receipt:
        raw = [canonical(each) for each in self.entries]
        hashes = [leaf_hash(each) for each in raw]
        note = self._note(len(raw), mth(hashes))
        return make_receipt(raw[index], index, inclusion_path(index, len(raw), nodes(hashes)), note)

    def _note(self, size: int, root: bytes) -> str:
        # ML-DSA signs with fresh randomness: a head is signed once, as a ledger does
        if (size, root) not in self._notes:
            self._notes[size, root] = self.signer.sign(size, root).decode()
        return self._notes[size, root]

    def proof(self, indices: tuple[int, ...] = (1, 2, 3), **over: Any) -> Proof:
        parsed = parse(self.sealed.raw)
        made = {
            "v": "setu1.proof",
            "digest": self.sealed.digest,
            "aad": parsed.aad,
            "manifest": parsed.manifest,
            "signatures": [each.to_object() for each in parsed.packet.jws.signatures],
            "acknowledgements": [Acknowledgement.from_json(each).to_object() for each in self.acks],
            "receipts": [Receipt.from_object(self.receipt(each).to_object()).to_object() for each in indices],
        }
        return Proof.from_object({**made, **over})
