"""The root: every command is there, helps with an example, and costs nothing until it is called."""

import subprocess
import sys

import pytest
import typer

from broker.cli.app import COMMANDS, load
from tests.arch.tree import ROOT

HEAVY = ("cryptography", "httpx", "tuf", "sqlalchemy", "fastapi", "cedarpy", "phonenumbers")


def leaves(command, path):
    if not hasattr(command, "commands"):
        return [(path, command)]
    return [leaf for name, each in command.commands.items() for leaf in leaves(each, (*path, name))]


LEAVES = [leaf for name in COMMANDS for leaf in leaves(load(name), (name,))]


def test_the_root_lists_every_command(setu):
    said = setu("--help")
    assert said.status == 0
    assert all(entry.line in " ".join(said.out.split()) or name in said.out for name, entry in COMMANDS.items())


def test_help_reads_nothing_heavy():
    program = (
        "import sys\nfrom broker.cli.app import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("words", [["policy", "check", "."], ["doctor"], ["serve", "--config", "SETTINGS"]])
def test_without_the_gateways_libraries_it_says_what_to_install(made, words):
    words = [str(made.config) if word == "SETTINGS" else word for word in words]
    program = (
        "import sys\nsys.modules.update(dict.fromkeys(('cedarpy', 'sqlalchemy', 'uvloop')))\n"
        f"from broker.cli.app import app\napp({words!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "setu-broker[gateway]" in done.stderr


def test_an_agencys_commands_need_no_gateways_libraries():
    program = (
        "import sys\nfrom broker.cli.app import load\n"
        "for name in ('send', 'follow', 'packet', 'keys', 'schema', 'audit', 'directory', 'echo', 'doctor'):\n    load(name)\n"
        "print([name for name in ('cedarpy', 'sqlalchemy', 'fastapi', 'starlette', 'uvicorn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("path", "command"), LEAVES, ids=[" ".join(path) for path, _ in LEAVES])
def test_every_command_helps_with_an_example(setu, path, command):
    said = setu(*path, "--help")
    shown = " ".join(said.out.split())
    assert said.status == 0
    assert command.help
    assert "Example: setu " + " ".join(path) in shown


@pytest.mark.parametrize(("path", "command"), LEAVES, ids=[" ".join(path) for path, _ in LEAVES])
def test_every_command_that_prints_data_has_json(path, command):
    assert path in {("serve",), ("guard",), ("relay",)} or any(
        "--json" in parameter.opts for parameter in command.params
    )


@pytest.mark.parametrize(("path", "command"), LEAVES, ids=[" ".join(path) for path, _ in LEAVES])
def test_no_option_takes_a_secret(path, command):
    names = {name for parameter in command.params for name in parameter.opts}
    assert names.isdisjoint(
        {"--install-completion", "--password", "--passphrase", "--secret", "--seed", "--key", "--payload"}
    )


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["brew"], id="no-such-command"),
        pytest.param(["audit", "brew"], id="no-such-subcommand"),
        pytest.param(["schema", "show"], id="argument-missing"),
        pytest.param(["schema", "list", "--sugar"], id="no-such-option"),
        pytest.param(["schema", "check", "tip", "nowhere.json"], id="no-such-file"),
        pytest.param(["packet", "verify", "nowhere.json"], id="no-such-packet"),
        pytest.param(["send", "tip", "-", "--as", "nowhere.toml", "--to", "us-dea"], id="no-such-profile"),
    ],
)
def test_wrong_usage_ends_with_2(setu, words):
    said = setu(*words)
    assert (said.status, said.out) == (2, "")
    assert "Usage:" in said.err


def test_a_paragraph_of_help_is_not_broken_where_its_source_is(setu):
    assert "Several files are as many packets, posted in batches, each with its own outcome." in " ".join(
        setu("send", "--help").out.split()
    )
    lines = [line.strip() for line in setu("send", "--help").out.splitlines()]
    assert "outcome." not in lines


def test_a_near_miss_is_suggested(setu):
    assert "Did you mean 'schema'" in setu("schemas").err


def test_the_version_is_told(setu):
    assert setu("--version").out.startswith("setu ")


def test_a_file_that_cannot_be_read_is_no_traceback(setu, tmp_path):
    (tmp_path / "h.json").mkdir()
    said = setu("audit", "verify", tmp_path / "h.json", "--vkey", __file__)
    assert said.status == 1
    assert "Traceback" not in said.err


def test_typer_is_told_to_show_no_locals():
    from broker.cli.app import app  # noqa: PLC0415 - its attributes are the subject

    assert isinstance(app, typer.Typer)
    assert app.pretty_exceptions_enable is False
