"""Rules for a request head, as pure functions: each returns nothing, or raises the refusal.

httptools accepts a missing or doubled Host, HTTP/0.9, absolute targets and any number of headers.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from broker.errors import RequestError
from broker.gateway import bodies
from broker.gateway.limits import Limits
from broker.gateway.protocol import too_large
from schemas.packet import MEDIA_TYPE
from schemas.problem import Code

Headers = Mapping[bytes, Sequence[bytes]]
"""Values by lower-case name, in the order they came."""

JSON = "application/json"
EVENTS = "text/event-stream"
LINES = "application/x-ndjson"
NOTE = "text/plain"
OCTETS = "application/octet-stream"
READ = frozenset({MEDIA_TYPE.encode(), JSON.encode()})
BATCH = "/v1/packets:batch"
METHODS = frozenset({"GET", "POST"})
"""No route has another; the router says which of them a path has."""
PER_HEADER = 4
"""Bytes that a header line has beside its name and value."""


def by_name(headers: Sequence[tuple[bytes, bytes]]) -> dict[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        found.setdefault(name, []).append(value)
    return found


def body_follows(headers: Headers) -> bool:
    return b"transfer-encoding" in headers or headers.get(b"content-length", [b"0"]) != [b"0"]


def check_size(target: bytes, headers: Sequence[tuple[bytes, bytes]], limits: Limits) -> None:
    size = len(target) + sum(len(name) + len(value) + PER_HEADER for name, value in headers)
    if len(headers) > limits.headers or size > limits.head_bytes:
        raise too_large(limits)


def check_request_line(version: str, *, absolute: bool) -> None:
    if version != "1.1" or absolute:
        raise _bad("Expected HTTP/1.1 and a path, found another version or an absolute target.")


def check_host(headers: Headers, hosts: frozenset[str]) -> None:
    """`hosts`: the names this gateway answers to, lower case, without port (an IPv6 address in brackets)."""
    named = headers.get(b"host", ())
    if len(named) != 1:
        raise _bad(f"Expected one Host header, found {len(named)}.")
    host = named[0].decode("latin-1").lower()
    name, colon, port = host.rpartition(":")
    if not colon or host.endswith("]"):
        name, port = host, "0"
    if name not in hosts or not (port.isascii() and port.isdigit()):
        raise RequestError(
            Code.MISDIRECTED,
            "Expected a request for a host name of this gateway, found another.",
            advice="Use the address that the directory or your configuration names.",
        )


def check_connection(headers: Headers) -> None:
    """An upgrade would leave the parser in a state where it reads no body; a site's page is no agency's system."""
    if b"upgrade" in headers:
        raise _bad("Expected HTTP/1.1 to the end, found a request to upgrade.")
    if b"origin" in headers or headers.get(b"sec-fetch-site", [b"none"]) != [b"none"]:
        raise RequestError(
            Code.FORBIDDEN,
            "Expected a program of the agency, found a web page's request.",
            advice="Call the gateway from a program, not from a page in a browser.",
        )


def check_content(method: str, path: str, headers: Headers, limits: Limits) -> None:
    """Content-Encoding, Transfer-Encoding, Content-Type, and the size as far as it is declared."""
    if b"content-encoding" in headers:
        raise RequestError(
            Code.ENCODING,
            "Expected a body without content encoding, found one with it.",
            advice="Send the bytes as they are, without a Content-Encoding header.",
        )
    transfer = headers.get(b"transfer-encoding", ())
    if transfer and (len(transfer) != 1 or transfer[0].strip().lower() != b"chunked"):
        raise _bad("Expected chunked as the only transfer encoding, found another.")
    most = limits.batch_bytes if path == BATCH else limits.body_bytes
    if int(headers.get(b"content-length", [b"0"])[0]) > most:
        raise bodies.too_large(most)
    if method == "POST":
        read, said = (frozenset({LINES.encode()}), LINES) if path == BATCH else (READ, f"{MEDIA_TYPE} or {JSON}")
        types = headers.get(b"content-type", ())
        if len(types) != 1 or types[0].partition(b";")[0].strip().lower() not in read:
            raise RequestError(
                Code.MEDIA_TYPE,
                f"Expected a body of media type {said}, found another.",
                advice="Set the Content-Type header.",
            )
    elif body_follows(headers):
        raise _bad("Expected no body with this method, found one.")


def check_accept(path: str, headers: Headers) -> None:
    """Accept (RFC 9110, section 12.5.1) must not exclude what this path answers with."""
    accepted = headers.get(b"accept")
    if accepted is None:
        return
    media = _answered_with(path)
    if not _allows(b",".join(accepted), media):
        raise RequestError(
            Code.NOT_ACCEPTABLE,
            f"Expected an Accept header that allows {media}, found one that excludes it.",
            advice="Allow that media type, or send no Accept header.",
        )


def _answered_with(path: str) -> str:
    if path.startswith("/log/"):
        return NOTE if path == "/log/checkpoint" else OCTETS
    if path == BATCH:
        return LINES
    return EVENTS if path.endswith("/stream") else JSON


@lru_cache(maxsize=256)
def _allows(accepted: bytes, media: str) -> bool:
    ranges: dict[str, bool] = {}
    for each in accepted.decode("latin-1").lower().split(","):
        name, *parameters = (part.strip() for part in each.split(";"))
        ranges[name] = not any(_is_zero(parameter) for parameter in parameters)
    by_precision = (media, media.partition("/")[0] + "/*", "*/*")
    return next((ranges[name] for name in by_precision if name in ranges), False)


def _is_zero(parameter: str) -> bool:
    name, _, weight = parameter.partition("=")
    return name.strip() == "q" and not weight.strip().strip("0.")


def _bad(message: str) -> RequestError:
    return RequestError(Code.BAD_REQUEST, message, advice="Use an ordinary HTTP/1.1 client.")
