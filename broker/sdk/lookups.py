"""What a program may look up at its gateway: topics, evidence, proofs, the exchange log. Nothing here is verified."""

from collections.abc import Iterator
from typing import Any, TypedDict, Unpack
from urllib.parse import quote

from broker.errors import SetuError, UnavailableError
from broker.sdk.content import M, read_model
from broker.sdk.http import JSON, Answer, Http, Params
from broker.sdk.patience import Persistence
from schemas.evidence import EntryType, OpenClocks, Proof, Timeline, TimelineItem, TopicInfo
from schemas.outcomes import Outcomes
from schemas.watch import Watch


class Search(TypedDict, total=False):
    """What to find in the exchange log; members left out do not filter.

    since, until: `Instant` texts, from (inclusive) and to (exclusive).
    party: an agency that is actor, sender or recipient.
    packet: a packet's digest.
    types: kinds of event.
    code: a problem code.
    limit: entries asked for at a time.
    """

    since: str
    until: str
    party: str
    kind: str
    packet: str
    types: list[EntryType]
    code: str
    exercise: bool
    limit: int


class Counted(TypedDict, total=False):
    """Which packets' outcomes to count.

    since, until: `Instant` texts; packets accepted from (inclusive) and to (exclusive). Later words about them count.
    agency: the sender.
    exercise: True for drill traffic alone; without it, drill traffic is left out.
    """

    since: str
    until: str
    agency: str
    kind: str
    exercise: bool


class Lookups:
    """Questions that change nothing; each is asked again until it is answered."""

    def __init__(self, http: Http, persistence: Persistence) -> None:
        self._http = http
        self._persistence = persistence

    def topics(self) -> tuple[TopicInfo, ...]:
        """The agency's topics, with counts of packets and of those that wait for its answer."""
        found = self._ask("GET", "/v1/topics").json()
        return tuple(_model(TopicInfo, each) for each in _member(found, "topics"))

    def clocks(self, limit: int = 100) -> OpenClocks:
        """What is due to this agency and from it: overdue ones first, then by time; at most `limit`.

        Raises:
            CallerError: not for this agency's role.
        """
        return _model(OpenClocks, self._ask("GET", "/v1/clocks", params={"limit": limit}).json())

    def timeline(self, digest: str) -> Timeline:
        """What became of a packet: the entries this agency may see, and each recipient's state.

        Raises:
            NotFoundError: no such packet, or not for this agency.
        """
        return _model(Timeline, self._ask("GET", f"/v1/packets/{quote(digest, safe='')}").json())

    def proof(self, digest: str) -> Proof:
        """A bundle that proves the exchange offline, with public keys alone; verify it before you rely on it.

        Raises:
            NotFoundError: no such packet, or not for this agency.
        """
        return _model(Proof, self._ask("GET", f"/v1/packets/{quote(digest, safe='')}/proof").json())

    def search(self, **what: Unpack[Search]) -> Iterator[TimelineItem]:
        """Entries of the exchange log, by ledger index: an auditor's all, an agency's own. The search is logged.

        Raises:
            CallerError: not for this agency's role.
            RequestError: code `bad-query`.
        """
        params: dict[str, str | int | list[str]] = {}
        for name, value in what.items():
            if isinstance(value, bool):
                params[name] = "true" if value else "false"
            elif isinstance(value, int | str):
                params[name] = value
        if "types" in what:
            params["type"] = [str(each) for each in what["types"]]
        while True:
            page = self._ask("GET", "/v1/audit/entries", params=params).json()
            for each in _member(page, "entries"):
                yield _model(TimelineItem, each)
            if not isinstance(page.get("next"), int):
                return
            params["after"] = page["next"]

    def outcomes(self, **what: Unpack[Counted]) -> Outcomes:
        """What packets led to, by agency and kind: an auditor's all, an agency's own. The question is logged.

        Raises:
            CallerError: not for this agency's role.
            RequestError: code `bad-query`; also where the period holds more packets than one question may read.
        """
        params: dict[str, str | int | list[str]] = {}
        for name, value in what.items():
            params[name] = str(value).lower() if isinstance(value, bool) else str(value)
        return _model(Outcomes, self._ask("GET", "/v1/audit/outcomes", params=params).json())

    def precursors(self, *, since: str | None = None, until: str | None = None) -> Watch:
        """The precursor watch over what this agency may read and the gateway can open for it, with the facts.

        since, until: `Instant` texts, from (inclusive) and to (exclusive). Raises as `outcomes`.
        """
        params: dict[str, str | int | list[str]] = {"facts": "true"}
        params |= {name: value for name, value in (("since", since), ("until", until)) if value is not None}
        return _model(Watch, self._ask("GET", "/v1/watch/precursors", params=params).json())

    def log_fetch(self, path: str) -> bytes:
        """A file of the ledger: `checkpoint`, `tile/0/000`, `tile/entries/000.p/7`.

        Raises:
            NotFoundError: no such file.
        """
        return self._ask("GET", f"/log/{quote(path, safe='/')}", accept="*/*").body

    def fetch(self, path: str) -> bytes:
        """Another file the gateway publishes, by its path: `/v1/directory/metadata/timestamp.json`, `/v1/schemas`.

        Raises:
            NotFoundError: no such file.
        """
        return self._ask("GET", quote(path, safe="/"), accept="*/*").body

    def _ask(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        media_type: str | None = None,
        params: Params | None = None,
        accept: str = JSON,
    ) -> Answer:
        return self._persistence.ask(
            lambda remaining: self._http.request(
                method, path, content=content, media_type=media_type, params=params, accept=accept, within=remaining
            )
        )


def _member(found: Any, name: str) -> list[Any]:
    value = found.get(name) if isinstance(found, dict) else None
    if not isinstance(value, list):
        raise _not_understood()
    return value


def _model(model: type[M], found: Any) -> M:
    try:
        return read_model(model, found, "")
    except SetuError:
        raise _not_understood() from None


def _not_understood() -> UnavailableError:
    return UnavailableError(
        "Expected an answer as the HTTP API describes it, found another.",
        advice="This program or the gateway is out of date.",
    )
