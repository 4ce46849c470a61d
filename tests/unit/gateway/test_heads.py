import pytest

from broker.errors import RequestError
from broker.gateway.heads import body_follows, by_name, check_accept, check_host
from schemas.problem import Code

HOSTS = frozenset({"gw.example", "127.0.0.1", "[::1]"})


@pytest.mark.parametrize("host", ["gw.example", "GW.Example", "gw.example:8443", "127.0.0.1:1", "[::1]", "[::1]:443"])
def test_our_own_hosts(host: str) -> None:
    check_host({b"host": [host.encode()]}, HOSTS)


@pytest.mark.parametrize(
    "host",
    ["", "gw.example.", "gw.example:", "gw.example:x", "gw.example:²", "xgw.example", "gw.example:443:443", "::1", "[::1", "[::1]:x", "[::2]", "a@gw.example", "gw.example/x"],
)  # fmt: skip
def test_foreign_hosts(host: str) -> None:
    with pytest.raises(RequestError) as caught:
        check_host({b"host": [host.encode("latin-1")]}, HOSTS)
    assert caught.value.code is Code.MISDIRECTED


@pytest.mark.parametrize("hosts", [[], [b"gw.example"] * 2])
def test_no_host_and_two_hosts(hosts: list[bytes]) -> None:
    with pytest.raises(RequestError) as caught:
        check_host({b"host": hosts} if hosts else {}, HOSTS)
    assert caught.value.code is Code.BAD_REQUEST


@pytest.mark.parametrize(
    ("accept", "path", "allowed"),
    [
        pytest.param("*/*", "/v1/topics", True, id="all"),
        pytest.param("application/json", "/v1/topics", True, id="json"),
        pytest.param("text/html, application/xhtml+xml, */*;q=0.8", "/v1/topics", True, id="browser"),
        pytest.param("application/*;q=0.1", "/v1/topics", True, id="range"),
        pytest.param("APPLICATION/JSON ; Q=1", "/v1/topics", True, id="capitals"),
        pytest.param("application/json;q=0.0, */*", "/v1/topics", False, id="json-excluded"),
        pytest.param("application/*;q=0, */*", "/v1/topics", False, id="range-excluded"),
        pytest.param("*/*;q=0", "/v1/topics", False, id="all-excluded"),
        pytest.param("text/html", "/v1/topics", False, id="html"),
        pytest.param("", "/v1/topics", False, id="empty"),
        pytest.param("text/event-stream", "/v1/topics/a/stream", True, id="events"),
        pytest.param("application/json", "/v1/topics/a/stream", False, id="events-as-json"),
        pytest.param("text/plain", "/log/checkpoint", True, id="checkpoint"),
        pytest.param("application/octet-stream", "/log/tile/0/000", True, id="tile"),
        pytest.param("text/plain", "/log/tile/0/000", False, id="tile-as-text"),
    ],
)
def test_accept(accept: str, path: str, allowed: bool) -> None:
    headers = {b"accept": [accept.encode()]}
    if allowed:
        check_accept(path, headers)
    else:
        with pytest.raises(RequestError) as caught:
            check_accept(path, headers)
        assert caught.value.code is Code.NOT_ACCEPTABLE


def test_headers_are_gathered_by_name_in_their_order() -> None:
    assert by_name([(b"a", b"1"), (b"b", b"2"), (b"a", b"3")]) == {b"a": [b"1", b"3"], b"b": [b"2"]}


@pytest.mark.parametrize(
    ("headers", "follows"),
    [({}, False), ({b"content-length": [b"0"]}, False), ({b"content-length": [b"2"]}, True), ({b"transfer-encoding": [b"chunked"]}, True)],
)  # fmt: skip
def test_whether_a_body_follows(headers: dict[bytes, list[bytes]], follows: bool) -> None:
    assert body_follows(headers) is follows
