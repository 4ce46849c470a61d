"""A gateway in memory for the SDK's tests: a list as ledger, real receipts, real signatures, and faults on demand.

It answers as schemas/spec/http.md says. Identity is by the client each agency is given; there is no TLS here.
"""

import itertools
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import httpx

from broker.crypto.keys import PublicKey
from broker.envelope.acknowledge import check_acknowledgement_signatures, parse_acknowledgement
from broker.envelope.verify import check_audience, check_signatures, parse
from broker.errors import (
    ConflictError,
    NotFoundError,
    PacketError,
    PolicyError,
    RequestError,
    SetuError,
)
from broker.merkle.note import LogSigner
from broker.merkle.proof import inclusion_path
from broker.merkle.receipt import make_receipt
from broker.merkle.tree import leaf_hash, node_hash, root_hash
from broker.sdk.client import Client
from broker.sdk.posting import Sent
from broker.sdk.received import Received
from schemas import registry
from schemas.base import instant
from schemas.canonical import canonical
from schemas.directory import KeyUse
from schemas.evidence import AckBody
from schemas.packet import Header
from schemas.problem import Code, RuleHit
from tests.builders import ORIGIN, Realm
from tests.unit.sdk.answers import problem, ref
from tests.unit.sdk.world import Clock, SimulatedDirectory, counted

Mangle = Callable[[Any], Any]
TIP = registry.samples("tip")["bengali-market"]
HANDLING = registry.sample_handling()


@dataclass
class Fault:
    """What happens to one request. `path`: the start of the paths it waits for.

    before: raised instead of handling. after: raised instead of answering what was handled. answer: sent instead.
    mangle: changes the JSON that is answered.
    """

    path: str = "/"
    before: Exception | None = None
    after: Exception | None = None
    answer: httpx.Response | None = None
    mangle: Mangle | None = None


@dataclass
class Stored:
    header: Header
    digest: str
    raw: bytes
    index: int
    gone: dict[str, str] = field(default_factory=dict)


class SimulatedGateway:
    """`faults`: each is used up by the first request its path fits. `mangle`: changes every JSON answer to a path.

    `seen`: (agency, method, path, body) of each request that arrived. `cursors`: what topics were read from. `denied`: policy's answer, recipient -> rule. `ended`: kids of wrap keys that are over.
    """

    def __init__(self, realm: Realm | None = None, clock: Clock | None = None) -> None:
        self.realm = realm or Realm()
        self.clock = clock or Clock()
        self.log = LogSigner(ORIGIN, self.realm.log_ed25519, self.realm.log_mldsa44)
        self.entries: list[bytes] = []
        self.packets: dict[str, Stored] = {}
        self.accepted: dict[tuple[str, str], str] = {}
        self.topics: defaultdict[str, list[str]] = defaultdict(list)
        self.acknowledged: dict[tuple[str, str, str], int] = {}
        self.faults: list[Fault] = []
        self.mangle: dict[str, Mangle] = {}
        self.seen: list[tuple[str, str, str, bytes]] = []
        self.denied: dict[str, str] = {}
        self.ended: set[str] = set()
        self.epoch = "k1"
        self.page_limit, self.stream_rounds, self.batch_limit, self.cuts = 500, 4, 1000, 0
        self.answered: int | None = None
        self.cursors: list[str | None] = []
        self.random = counted()
        self._receipts: dict[int, Any] = {}

    def client(self, agency: str, **over: Any) -> Client:
        """An SDK client of this agency, on simulated time."""
        member = self.realm.members[agency]
        made = {
            "directory": SimulatedDirectory(self.realm.snapshot),
            "now": self.clock,
            "monotonic": self.clock,
            "sleep": self.clock.sleep,
            "random": self.random,
            **over,
        }
        directory = made.pop("directory")
        keys = made.pop("wrap_keys", member.keys)
        signer = made.pop("signer", member.sign)
        return Client(agency, self.transport(agency), directory, signer, keys, self.realm.gateway, **made)

    def transport(self, agency: str) -> httpx.Client:
        return httpx.Client(
            transport=httpx.MockTransport(lambda request: _unread(self._handle(agency, request))),
            base_url="https://gateway.test",
        )

    def commit(self, entry: dict[str, Any]) -> int:
        """Append an entry; its receipt is against the head with it as the last leaf."""
        made = {
            "v": "setu1.entry",
            "time": instant(datetime.fromtimestamp(self.clock(), UTC)),
            "aud": self.realm.aud.to_object(),
            "directory": self.realm.snapshot.ref.to_object(),
            "policy": "0" * 64,
            **entry,
        }
        self.entries.append(canonical(made))
        return len(self.entries) - 1

    def receipt(self, index: int) -> dict[str, Any]:
        if index not in self._receipts:
            size = index + 1

            def nodes(level: int, place: int) -> bytes:
                if level == 0:
                    return leaf_hash(self.entries[place])
                return node_hash(nodes(level - 1, 2 * place), nodes(level - 1, 2 * place + 1))

            path = inclusion_path(index, size, nodes)
            note = self.log.sign(size, root_hash(size, nodes)).decode()
            self._receipts[index] = make_receipt(self.entries[index], index, path, note).to_object()
        return self._receipts[index]

    # requests

    def _handle(self, agency: str, request: httpx.Request) -> httpx.Response:
        path, body = request.url.path, request.read()
        self.seen.append((agency, request.method, path, body))
        fault = next((each for each in self.faults if path.startswith(each.path)), Fault())
        if fault in self.faults:
            self.faults.remove(fault)
        if fault.before is not None:
            raise fault.before
        if fault.answer is not None:
            return fault.answer
        try:
            status, found = self._route(agency, request, path, body)
        except SetuError as error:
            return problem(error)
        if fault.after is not None:
            raise fault.after
        if isinstance(found, httpx.Response):
            return found
        found = self._mangled(path, found)
        if fault.mangle is not None:
            found = fault.mangle(found)
        return httpx.Response(status, content=json.dumps(found).encode(), headers={"content-type": "application/json"})

    def _route(self, agency: str, request: httpx.Request, path: str, body: bytes) -> tuple[int, Any]:
        query = {name: values[0] for name, values in parse_qs(request.url.query.decode()).items()}
        match (request.method, path.strip("/").split("/")):
            case ("POST", ["v1", "packets"]):
                return self._submit(agency, body)
            case ("POST", ["v1", "packets:batch"]):
                return 200, httpx.Response(200, content=self._batch(agency, body))
            case ("POST", ["v1", "acknowledgements"]):
                return self._acknowledge(agency, body)
            case ("GET", ["v1", "packets", digest]):
                return 200, self._timeline(agency, digest)
            case ("GET", ["v1", "packets", digest, "proof"]):
                return 200, self._proof(agency, digest)
            case ("GET", ["v1", "topics"]):
                return 200, {"topics": self._topics(agency)}
            case ("GET", ["v1", "topics", topic, "packets"]):
                return 200, self._page(agency, topic, query)
            case ("GET", ["v1", "topics", topic, "stream"]):
                return 200, self._stream(agency, topic, request.headers.get("last-event-id"))
            case ("GET", ["log", *rest]):
                return 200, httpx.Response(200, content="/".join(rest).encode())
            case _:
                raise NotFoundError

    def _seen(self, agency: str, digest: str) -> Stored:
        stored = self.packets.get(digest)
        if stored is None or agency not in (stored.header.from_, *(each.agency for each in stored.header.to)):
            raise NotFoundError
        return stored

    def _timeline(self, agency: str, digest: str) -> dict[str, Any]:
        stored = self._seen(agency, digest)
        items = [{"index": index, "entry": entry} for index, entry in enumerate(map(json.loads, self.entries))]
        mine = [each for each in items if each["entry"].get("packet", {}).get("digest") == stored.digest]
        return {"digest": digest, "states": {}, "items": mine}

    def _proof(self, agency: str, digest: str) -> dict[str, Any]:
        stored = self._seen(agency, digest)
        packet = json.loads(stored.raw)
        return {
            "v": "setu1.proof",
            "digest": digest,
            "aad": packet["jwe"]["aad"],
            "manifest": packet["jws"]["payload"],
            "signatures": packet["jws"]["signatures"],
            "acknowledgements": [],
            "receipts": [self.receipt(stored.index)],
        }

    def _submit(self, agency: str, body: bytes) -> tuple[int, Any]:
        parsed = parse(body)
        header = parsed.header
        if header.from_ != agency:
            raise PacketError(Code.SENDER_MISMATCH, "Expected the caller's own packet, found another's.")
        check_audience(parsed, realm=self.realm.realm, gateway=self.realm.gateway, suite=self.realm.suite)
        known = self.accepted.get((agency, header.id))
        if known == parsed.digest:
            return 200, self.receipt(self.packets[known].index)
        check_signatures(parsed, self._keys(agency))
        if known is not None:
            raise ConflictError(Code.ID_CONFLICT, "Expected an unused id, found a used one.", pointer="/id")
        if self.ended & {each.kid for each in header.to}:
            raise PacketError(Code.RECIPIENT_UNKNOWN, "Expected a wrap key that is valid now, found another.")
        hits = [
            RuleHit(rule=rule, recipient=each.agency, sentence="Not to this agency.", remedy="Leave it out.")
            for each in header.recipients()
            if (rule := self.denied.get(each.agency))
        ]
        if hits:
            raise PolicyError("Expected a release that the policy permits, found rules against it.", hits)
        index = self.commit(
            {"type": "accepted", "actor": agency, "packet": ref(header, parsed.digest), "evidence": parsed.evidence}
        )
        self.packets[parsed.digest] = Stored(header, parsed.digest, body, index)
        self.accepted[(agency, header.id)] = parsed.digest
        for each in header.recipients():
            self.topics[f"setu.{each.agency}.{header.kind}"].append(parsed.digest)
        return 201, self.receipt(index)

    def _batch(self, agency: str, body: bytes) -> Iterator[bytes]:
        """Cut after `answered` lines, where that is set, once; the rest of the batch was then dealt with nevertheless."""
        given = body.splitlines()
        lines = []
        for raw in given[: self.batch_limit]:
            try:
                status, receipt = self._submit(agency, raw)
                lines.append({"receipt": receipt, "status": status})
            except SetuError as error:
                found = problem(error)
                lines.append({"problem": json.loads(found.content), "status": found.status_code})
        lines.append({"done": len(lines)})
        if len(given) > self.batch_limit:
            lines[-1]["problem"] = json.loads(problem(RequestError(Code.TOO_LARGE, "Expected fewer lines.")).content)
        cut, self.answered = self.answered, None

        def sent() -> Iterator[bytes]:
            for each in lines[:cut]:
                whole = json.dumps(each).encode() + b"\n"
                yield whole[: len(whole) // 2]
                yield whole[len(whole) // 2 :]
            if cut is not None:
                raise httpx.ReadError("cut")

        return sent()

    def _acknowledge(self, agency: str, body: bytes) -> tuple[int, Any]:
        parsed = parse_acknowledgement(body)
        said = parsed.body
        stored = self.packets.get(said.packet.digest)
        if said.by != agency or stored is None or stored.index != said.packet.index:
            raise NotFoundError
        check_acknowledgement_signatures(parsed, self.realm.suite, self._keys(agency))
        once = (said.packet.digest, agency, said.event.value)
        if once in self.acknowledged:
            return 200, self.receipt(self.acknowledged[once])
        entry = {
            "type": "rejected_by_recipient" if said.event == "rejected" else "acknowledged",
            "actor": agency,
            "recipient": agency,
            "packet": ref(stored.header, stored.digest),
            "event": said.event.value,
            "evidence": parsed.evidence,
        }
        if said.reason is not None:
            entry["code"] = said.reason.value
        self.acknowledged[once] = self.commit(entry)
        return 201, self.receipt(self.acknowledged[once])

    def _cut(self) -> None:
        if self.cuts:
            self.cuts -= 1
            raise httpx.ReadError("cut")

    def _mangled(self, path: str, found: Any) -> Any:
        for start, mangle in self.mangle.items():
            found = mangle(found) if path.startswith(start) else found
        return found

    def _topics(self, agency: str) -> list[dict[str, Any]]:
        return [
            {"topic": name, "packets": len(digests), "unacknowledged": 0}
            for name, digests in sorted(self.topics.items())
            if name.startswith(f"setu.{agency}.")
        ]

    def _rows(self, agency: str, topic: str, cursor: str | None) -> Iterator[tuple[str, dict[str, Any]]]:
        if not topic.startswith(f"setu.{agency}."):
            raise NotFoundError
        after = -1
        if cursor is not None:
            epoch, _, number = cursor.partition("-")
            if epoch != self.epoch:
                raise RequestError(Code.BAD_CURSOR, "Expected a cursor of this gateway, found another.")
            after = int(number)
        for stored in [self.packets[digest] for digest in self.topics[topic]]:
            if stored.index > after:
                yield f"{self.epoch}-{stored.index}", self.delivery(stored, agency)

    def delivery(self, stored: Stored, agency: str) -> dict[str, Any]:
        """What a subscriber is given for a packet."""
        if agency in stored.gone:
            return {"index": stored.index, "digest": stored.digest, "gone": stored.gone[agency]}
        packet, receipt = json.loads(stored.raw), self.receipt(stored.index)
        return {"index": stored.index, "digest": stored.digest, "packet": packet, "receipt": receipt}

    def _page(self, agency: str, topic: str, query: dict[str, str]) -> dict[str, Any]:
        cursor = query.get("cursor")
        self.cursors.append(cursor)
        limit = min(int(query["limit"]), self.page_limit)
        rows = list(itertools.islice(self._rows(agency, topic, cursor), limit))
        if not rows:
            self.clock.sleep(float(query.get("wait", "0")))
        last = rows[-1][0] if rows else cursor or f"{self.epoch}--1"
        return {"topic": topic, "items": [item for _, item in rows], "cursor": last}

    def _stream(self, agency: str, topic: str, last_event_id: str | None) -> httpx.Response:
        self.cursors.append(last_event_id)

        def events() -> Iterator[bytes]:
            after = last_event_id
            for _ in range(self.stream_rounds):
                for cursor, item in self._rows(agency, topic, after):
                    self._cut()
                    after = cursor
                    name = "tombstone" if "gone" in item else "packet"
                    data = json.dumps(self._mangled(f"/v1/topics/{topic}", item))
                    yield f"id: {cursor}\r\nevent: {name}\r\ndata: {data}\r\n\r\n".encode()
                self._cut()
                self.clock.sleep(1.0)
                yield b":\r\n\r\n"

        return httpx.Response(200, content=events(), headers={"content-type": "text/event-stream"})

    def _keys(self, agency: str) -> Callable[[str, str], PublicKey]:
        def key(kid: str, _alg: str) -> PublicKey:
            found = self.realm.snapshot.key(kid, agency=agency, use=KeyUse.SIGN, at=int(self.clock()))
            return PublicKey.from_directory(found)

        return key


def _unread(response: httpx.Response) -> httpx.Response:
    """The answer as it comes from a network: not read yet."""
    if not response.is_stream_consumed:
        return response
    stream = httpx.ByteStream(response.content)
    return httpx.Response(response.status_code, headers=response.headers, stream=stream)


def send(gateway: SimulatedGateway, count: int = 1, **over: Any) -> list[Sent]:
    """Tips from in-ncb to us-dea."""
    ncb = gateway.client("in-ncb")
    return [ncb.send("tip", **{"to": ["us-dea"], "payload": TIP, "handling": HANDLING, **over}) for _ in range(count)]


def follow(client: Client, *kinds: str, **over: Any) -> list[Received]:
    """What is at hand."""
    return list(client.follow(*(kinds or ("tip",)), **{"drain": True, **over}))


def acknowledgements(gateway: SimulatedGateway) -> list[AckBody]:
    """What was posted, refused or not."""
    bodies = [body for _, method, path, body in gateway.seen if (method, path) == ("POST", "/v1/acknowledgements")]
    return [parse_acknowledgement(body).body for body in bodies]
