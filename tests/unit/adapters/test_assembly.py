import io
import json

import pytest

from adapters.__main__ import main
from adapters.assembly import load, logged
from adapters.runner import Delivered, Quarantined, Retrying
from broker.errors import IntegrityError, UnavailableError
from broker.sdk.reading import Gone, Rejected, Waiting
from broker.telemetry.logs import Log
from schemas.problem import Code

GOOD = 'profile = "agency.toml"\nkinds = ["tip"]\n[filedrop]\nfolder = "drop"\n'


def written(tmp_path, text):
    path = tmp_path / "adapter.toml"
    path.write_text(text)
    return path


def test_what_is_left_out_has_its_default(tmp_path):
    settings = load(written(tmp_path, GOOD))
    assert settings.kinds == ("tip",)
    assert (settings.filedrop.form, settings.filedrop.mode, settings.stream) == ("opened", "0600", False)
    assert settings.base == tmp_path


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("profile = ", id="no TOML"),
        pytest.param('profile = "a"', id="no adapter"),
        pytest.param(GOOD + 'command = "rm"', id="a member nobody named"),
        pytest.param(GOOD + 'form = "plain"', id="unknown form"),
        pytest.param(GOOD + 'mode = "0666"', id="a mode for everybody"),
        pytest.param(GOOD.replace('"tip"', '"../x"'), id="a kind that is none"),
    ],
)
def test_settings_that_are_none_are_refused_with_their_place(tmp_path, text):
    path = written(tmp_path, text)
    with pytest.raises(IntegrityError) as caught:
        load(path)
    assert caught.value.code is Code.CONFIG_INVALID
    assert str(path) in caught.value.message
    assert caught.value.advice


def test_the_command_says_what_is_wrong_and_fails(tmp_path, capsys):
    assert main(["run", str(tmp_path / "missing.toml")]) == 1
    assert "Mend the adapter's settings file." in capsys.readouterr().err


def test_a_folder_that_is_none_is_said_before_anything_is_asked(tmp_path, capsys):
    assert main(["run", str(written(tmp_path, GOOD))]) == 1
    assert "drop folder" in capsys.readouterr().err


def test_wrong_usage_has_its_own_status(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["deliver"])
    assert caught.value.code == 2
    assert "usage" in capsys.readouterr().err


TOPIC = "setu.us-dea.tip"


@pytest.mark.parametrize(
    ("event", "name", "level"),
    [
        (Delivered(TOPIC, 1, "d", answered=True), "delivered", "info"),
        (Retrying(TOPIC, 1, "d", "Down.", 2.0), "retrying", "warning"),
        (Quarantined(TOPIC, 1, "d", Code.SCHEMA, "No."), "quarantined", "warning"),
        (Rejected(TOPIC, 1, "d", Code.SCHEMA, "No.", answered=True), "rejected", "warning"),
        (Gone(TOPIC, 1, "d", "purged"), "gone", "info"),
        (Waiting(TOPIC, UnavailableError("Busy."), 2.0), "waiting", "warning"),
    ],
)
def test_each_event_is_one_line_of_the_log(event, name, level):
    stream = io.StringIO()
    logged(Log(stream, lambda: 0))(event)
    (line,) = stream.getvalue().splitlines()
    found = json.loads(line)
    assert (found["event"], found["level"], found["topic"]) == (name, level, TOPIC)
    assert "[redacted]" not in line
