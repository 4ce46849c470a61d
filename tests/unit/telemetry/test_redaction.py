import pytest

from broker.telemetry.redaction import MAX_TEXT, REDACTED, redact, redact_named

PEM = "x\n-----BEGIN PRIVATE KEY-----\nabc"


@pytest.mark.parametrize(
    "name",
    ["key", "wrap_key", "private", "seed", "password", "Authorization", "Set-Cookie", "client-cert", "payload", "plaintext", "body", "cek", "token", "der", "tls_pem"],
)  # fmt: skip
def test_a_member_named_like_a_secret_is_not_written(name: str) -> None:
    assert redact_named(name, "abc") == REDACTED
    assert redact({"deep": {name: ["abc"]}}) == {"deep": {name: REDACTED}}


@pytest.mark.parametrize("name", ["kid", "code", "agency", "digest", "route", "keyboard", "order", "bytes"])
def test_other_members_are(name: str) -> None:
    assert redact_named(name, "abc") == "abc"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param(b"abc", "[3 bytes]", id="bytes"),
        pytest.param(bytearray(2), "[2 bytes]", id="bytearray"),
        pytest.param(PEM, REDACTED, id="pem"),
        pytest.param(["a", PEM], ["a", REDACTED], id="pem-in-a-list"),
        pytest.param("x" * (MAX_TEXT + 5), "x" * MAX_TEXT + "[5 more]", id="long-text"),
        pytest.param(object(), "[object]", id="object"),
        pytest.param(ValueError("s3cr3t"), "[ValueError]", id="exception"),
        pytest.param({"a": {"b": {"c": {"d": {"e": 1}}}}}, {"a": {"b": {"c": {"d": "[dict]"}}}}, id="deep"),
        pytest.param(list(range(100)), list(range(32)), id="long-list"),
        pytest.param({1: True}, {"1": True}, id="numbers"),
    ],
)
def test_values(value: object, shown: object) -> None:
    assert redact(value) == shown
