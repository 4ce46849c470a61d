"""The SDK's one door to HTTP: requests to a gateway, bounded answers, failures as errors of this project."""

import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from broker.errors import IntegrityError, UnavailableError
from broker.sdk.problems import error_of
from schemas.canonical import MalformedJsonError, parse
from schemas.problem import Code

MAX_ANSWER = 64 * 2**20
MAX_PROBLEM = 256 * 2**10
JSON = "application/json, application/problem+json"
OK = (200, 201)

Params = Mapping[str, str | int | list[str]]


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

    Args:
        client: with the gateway's address as `base_url`, the agency's certificate, and the CA that signs the gateway's.
        timeout: seconds without a byte before a request counts as lost.
        now: unix seconds.
    """

    def __init__(
        self,
        client: httpx.Client,
        *,
        timeout: float = 30.0,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._timeout = timeout
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
        """Ask once.

        `within`: seconds after which the answer no longer counts. `silent_for`: seconds the gateway may take by
        agreement before it answers (long poll).

        Raises:
            UnavailableError: no answer, a cut answer, a server's error: whether it was done is unknown.
            SetuError: the gateway refused; the class and code say why.
            IntegrityError: code `config-invalid`; the other side is not the gateway of the configuration.
        """
        deadline = None if within is None else self._monotonic() + within
        timeout = self._timeout if within is None else min(self._timeout, within)
        headers = {} if media_type is None else {"content-type": media_type}
        with self._asking(
            method, path, headers=headers, content=content, params=params, accept=accept, timeout=timeout + silent_for
        ) as response:
            limit = MAX_ANSWER if response.status_code in OK else MAX_PROBLEM
            body = self._read(response, limit, deadline)
            if response.status_code not in OK:
                raise error_of(response.status_code, body, response.headers.get("retry-after"), self._now())
            return Answer(response.status_code, body)

    @contextmanager
    def stream(
        self, path: str, *, headers: Mapping[str, str], accept: str, silence: float
    ) -> Iterator[Iterator[bytes]]:
        """An answer without end, as pieces of bytes; `silence` seconds without one end it with UnavailableError."""
        with self._asking("GET", path, headers=headers, accept=accept, timeout=silence) as response:
            if response.status_code not in OK:
                body = self._read(response, MAX_PROBLEM, None)
                raise error_of(response.status_code, body, response.headers.get("retry-after"), self._now())
            yield _pieces(response)

    def close(self) -> None:
        self._client.close()

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
