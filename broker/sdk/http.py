"""The SDK's one door to HTTP: requests to a gateway, bounded answers, failures as errors of this project."""

import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from broker.errors import IntegrityError, UnavailableError
from broker.sdk.problems import error_of
from schemas.canonical import MalformedJsonError, parse
from schemas.problem import Code

MAX_ANSWER = 64 * 2**20
MAX_PROBLEM = 256 * 2**10
MAX_LINE = 2**20
JSON = "application/json, application/problem+json"
OK = (200, 201)

SILENT_ONE_OF_MANY = 5.0
"""Seconds without a byte after which a gateway that is one of several counts as lost, and the next is asked."""

Params = Mapping[str, str | int | list[str]]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """A success: 200 or 201."""

    status: int
    body: bytes

    def json(self) -> Any:
        """The body as strict JSON.

        Raises:
            UnavailableError: it is not; what the request did is unknown, asking again is safe.
        """
        try:
            return parse(self.body)
        except MalformedJsonError as error:
            raise UnavailableError(
                f"Expected JSON from the gateway. {error}.", advice="Ask again; if it stays so, ask the operator."
            ) from None


class Http:
    """A gateway's HTTP API over mutual TLS. Safe to call from several threads.

    Several gateways of one ledger are one gateway with several addresses: where one does not answer, or says that it
    cannot now, the next is asked at once with the same bytes, which is safe, for asking again always is. The one that
    answered is asked first from then on.

    Args:
        client: with the agency's certificate, and the CA that signs the gateway's; with the gateway's address as its
            `base_url` where `gateways` names none.
        gateways: the addresses, `https://host:port`.
        timeout: seconds without a byte before a request counts as lost; None for 30, or 5 where there are several.
        now: unix seconds.
    """

    def __init__(
        self,
        client: httpx.Client,
        *,
        gateways: Sequence[str] = (),
        timeout: float | None = None,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._gateways = tuple(gateways) or ("",)
        self._first = 0
        self._timeout = timeout or (SILENT_ONE_OF_MANY if len(self._gateways) > 1 else 30.0)
        self._now = now
        self._monotonic = monotonic

    def request(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        media_type: str | None = None,
        params: Params | None = None,
        accept: str = JSON,
        within: float | None = None,
        silent_for: float = 0.0,
    ) -> Answer:
        """Ask once; each gateway at most.

        `within`: seconds after which the answer no longer counts. `silent_for`: seconds the gateway may take by
        agreement before it answers (long poll).

        Raises:
            UnavailableError: no answer, a cut answer, a server's error: whether it was done is unknown.
            SetuError: the gateway refused; the class and code say why.
            IntegrityError: code `config-invalid`; the other side is not the gateway of the configuration.
        """
        deadline = None if within is None else self._monotonic() + within
        headers = {} if media_type is None else {"content-type": media_type}

        def once(gateway: str) -> Answer:
            timeout = self._timeout if deadline is None else min(self._timeout, deadline - self._monotonic())
            with self._asking(
                method,
                gateway + path,
                headers=headers,
                content=content,
                params=params,
                accept=accept,
                timeout=max(timeout, 0.001) + silent_for,
            ) as response:
                limit = MAX_ANSWER if response.status_code in OK else MAX_PROBLEM
                body = self._read(response, limit, deadline)
                if response.status_code not in OK:
                    raise error_of(response.status_code, body, response.headers.get("retry-after"), self._now())
                return Answer(response.status_code, body)

        return self._of_any(once, deadline)

    def lines(
        self,
        path: str,
        begin: Callable[[], tuple[bytes, Callable[[bytes], bool]]],
        *,
        media_type: str,
        accept: str,
        within: float,
    ) -> None:
        """Post, and hand each line of the answer on as it comes, until one is the last.

        `begin` is called before each gateway is asked; it gives the body and what takes the lines, which returns True
        for the last. Lines that came before an answer was cut have been handed on.

        Raises:
            UnavailableError: no answer, or one without its last line. SetuError: the gateway refused the whole.
        """
        deadline = self._monotonic() + within

        def once(gateway: str) -> None:
            content, take = begin()
            with self._asking(
                "POST",
                gateway + path,
                headers={"content-type": media_type},
                content=content,
                accept=accept,
                timeout=max(0.001, min(self._timeout, deadline - self._monotonic())),
            ) as response:
                if response.status_code not in OK:
                    body = self._read(response, MAX_PROBLEM, deadline)
                    raise error_of(response.status_code, body, response.headers.get("retry-after"), self._now())
                if not any(take(line) for line in _lines(response.iter_raw())):
                    raise UnavailableError("Expected an answer to its last line, found it cut.")

        self._of_any(once, deadline)

    @contextmanager
    def stream(
        self, path: str, *, headers: Mapping[str, str], accept: str, silence: float
    ) -> Iterator[Iterator[bytes]]:
        """An answer without end, as pieces of bytes; `silence` seconds without one end it with UnavailableError."""

        def opened(gateway: str) -> tuple[httpx.Response, ExitStack]:
            with ExitStack() as stack:
                asking = self._asking("GET", gateway + path, headers=headers, accept=accept, timeout=silence)
                response = stack.enter_context(asking)
                if response.status_code not in OK:
                    body = self._read(response, MAX_PROBLEM, None)
                    raise error_of(response.status_code, body, response.headers.get("retry-after"), self._now())
                return response, stack.pop_all()

        response, stack = self._of_any(opened, None)
        with stack:
            yield _pieces(response)

    def close(self) -> None:
        self._client.close()

    def _of_any(self, ask: Callable[[str], T], deadline: float | None) -> T:
        """The first answer, from the gateway that answered last time on; the last one's error where none answers."""
        first, many, failed = self._first, len(self._gateways), 0
        while True:
            place = (first + failed) % many
            try:
                found = ask(self._gateways[place])
            except UnavailableError:
                failed += 1
                if failed == many or (deadline is not None and self._monotonic() >= deadline):
                    raise
            else:
                self._first = place
                return found

    @contextmanager
    def _asking(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        accept: str,
        timeout: float,
        content: bytes | None = None,
        params: Params | None = None,
    ) -> Iterator[httpx.Response]:
        sent = {"accept": accept, "accept-encoding": "identity", **headers}
        try:
            with self._client.stream(
                method,
                path,
                content=content,
                headers=sent,
                params=None if params is None else dict(params),
                timeout=timeout,
                follow_redirects=False,
            ) as response:
                yield response
        except httpx.TransportError as error:
            raise _lost(error) from error

    def _read(self, response: httpx.Response, limit: int, deadline: float | None) -> bytes:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise UnavailableError("Expected an answer without content encoding, found one with it.")
        pieces: list[bytes] = []
        size = 0
        for piece in response.iter_raw():
            size += len(piece)
            if size > limit:
                raise UnavailableError(f"Expected an answer of at most {limit} bytes, found more.")
            if deadline is not None and self._monotonic() > deadline:
                raise UnavailableError("Expected the whole answer in time, found it still coming.")
            pieces.append(piece)
        return b"".join(pieces)


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
        if len(rest) > MAX_LINE:
            raise UnavailableError(f"Expected lines of at most {MAX_LINE} bytes, found a longer one.")


def _pieces(response: httpx.Response) -> Iterator[bytes]:
    # Read by whoever holds the stream, outside the block that would turn a cut connection into an error of ours.
    try:
        yield from response.iter_raw()
    except httpx.TransportError as error:
        raise _lost(error) from error


def _lost(error: httpx.TransportError) -> UnavailableError | IntegrityError:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return IntegrityError(
                Code.CONFIG_INVALID,
                f"Expected a gateway whose certificate the configured CA signs for this address, found: "
                f"{seen.verify_message}.",
                advice="Check the gateway's address and the CA file; never switch verification off.",
            )
        seen = seen.__cause__ or seen.__context__
    return UnavailableError(f"Expected an answer from the gateway, found none ({type(error).__name__}).", retry_after=0)
