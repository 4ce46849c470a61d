import io
import json
import logging

import pytest

from broker.telemetry.logs import Bridge, Log

NOW = 1_769_860_800.25


def written(write) -> list[dict]:
    stream = io.StringIO()
    write(Log(stream, lambda: NOW))
    raw = stream.getvalue()
    assert raw.endswith("\n")
    assert all(" " <= character <= "~" for character in raw.replace("\n", "")), "a line of printable ASCII"
    return [json.loads(line) for line in raw.splitlines()]


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("a\r\nb", id="crlf"),
        pytest.param("a\x1b[31mb", id="esc"),
        pytest.param("a\x7fb", id="del"),
        pytest.param("a\x9bb", id="csi"),
        pytest.param("a\u2028b\u2029", id="line-separators"),
        pytest.param("a\u202eb", id="right-to-left"),
        pytest.param("a\x00b", id="nul"),
        pytest.param('","level":"fake', id="quotes"),
        pytest.param("\ud800", id="lone-surrogate"),
    ],
)
def test_whatever_a_value_holds_it_is_one_escaped_line(value: str) -> None:
    (event,) = written(lambda log: log.info("seen", value=value, **{value: 1}))
    assert event["value"] == value
    assert (event["event"], event["level"]) == ("seen", "info")


def test_an_event_has_its_time_and_leaves_absent_members_out() -> None:
    (event,) = written(lambda log: log.warning("seen", a=None, b=0, c=False))
    assert event == {
        "time": "2026-01-31T12:00:00.250000+00:00",
        "level": "warning",
        "event": "seen",
        "b": 0,
        "c": False,
    }


def test_a_failure_is_told_by_type_and_place_and_not_by_its_message() -> None:
    def fail(log: Log) -> None:
        try:
            try:
                raise KeyError("s3cr3t")
            except KeyError as cause:
                raise RuntimeError("s3cr3t") from cause
        except RuntimeError as error:
            log.failure("request", error, agency="us-dea")

    (event,) = written(fail)
    assert event["error"] == ["RuntimeError", "KeyError"]
    assert event["frames"][-1].endswith(" fail")
    assert "s3cr3t" not in json.dumps(event)


def test_what_libraries_say_goes_to_the_same_log() -> None:
    def say(log: Log) -> None:
        logger, bridge = logging.getLogger("tests.bridge"), Bridge(log)
        logger.addHandler(bridge)
        logger.setLevel(logging.INFO)
        logger.propagate = False
        try:
            logger.info("one\n%s", "two")
            logger.warning("bad %s")
            logger.warning("too %s many", 1, 2)  # noqa: PLE1205 - as a careless library does
            try:
                raise ValueError("s3cr3t")
            except ValueError:
                logger.exception("failed")
        finally:
            logger.removeHandler(bridge)

    said = written(say)
    assert [(each["level"], each["said"]) for each in said] == [
        ("info", "one\ntwo"),
        ("warning", "bad %s"),
        ("warning", "[unreadable]"),
        ("error", "failed"),
    ]
    assert "s3cr3t" not in json.dumps(said)


@pytest.mark.parametrize(("name", "kept"), [("broker.flows.inforce", True), ("urllib3.pool", False)])
def test_what_a_room_gives_beside_its_sentence_stands_in_the_line_and_what_a_library_gives_does_not(name, kept):
    def say(log):
        made = {"name": name, "msg": "put off", "levelno": logging.WARNING, "found": "Expected x\x1b, found y."}
        Bridge(log).handle(logging.makeLogRecord(made))

    (said,) = written(say)
    assert said["said"] == "put off"
    assert said.get("found") == ("Expected x\x1b, found y." if kept else None)
