"""A command that a document names exists, with the options it names; a file that it links to is there."""

import re

import pytest

from broker.cli.app import COMMANDS, load
from tests.arch.tree import ROOT
from tests.docs.documents import DOCUMENTS, commands, text_of

TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
LINK = re.compile(r"\[[^\]]+\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)\s]*)?\)")


def missing_of_setu(words):
    """What of `setu a b --option` there is not, or None."""
    if words and words[0].startswith("-"):
        return None if words[0] in {"--help", "-h", "--version"} else words[0]
    if not words or re.fullmatch(r"[A-Z.]+|\.\.\.", words[0]):
        return None
    if words[0] not in COMMANDS:
        return f"setu {words[0]}"
    command, path, rest = load(words[0]), f"setu {words[0]}", words[1:]
    while rest and hasattr(command, "commands") and not rest[0].startswith("-"):
        if rest[0] == "...":
            return None
        alternatives = rest[0].split("|")
        if unknown := [name for name in alternatives if name not in command.commands]:
            return f"{path} {unknown[0]}"
        command, path, rest = command.commands[alternatives[0]], f"{path} {rest[0]}", rest[1:]
    known = {"--help", "-h"} | {
        name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)
    }
    unknown = [
        word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word) and word.partition("=")[0] not in known
    ]
    return f"{path} {unknown[0]}" if unknown else None


def missing(words):
    program, rest = words[0].removeprefix(".venv/bin/"), words[1:]
    if program == "make":
        named = [word for word in rest if "=" not in word and not word.startswith("-")]
        return next((f"make {word}" for word in named if word not in TARGETS), None)
    return missing_of_setu(rest) if program == "setu" else None


@pytest.mark.parametrize("path", DOCUMENTS, ids=str)
def test_the_commands_it_names_exist(path):
    assert [lost for words in commands(text_of(path)) if (lost := missing(words))] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=str)
def test_the_files_it_links_to_exist(path):
    assert [link for link in LINK.findall(text_of(path)) if not (ROOT / path.parent / link).exists()] == []


@pytest.mark.parametrize(
    ("line", "lost"),
    [
        pytest.param("make demo", None, id="a-target"),
        pytest.param("make ARGS=-x tea", "make tea", id="no-target"),
        pytest.param(".venv/bin/setu schema sample tip", None, id="a-command"),
        pytest.param("setu brew", "setu brew", id="no-command"),
        pytest.param("setu schema brew", "setu schema brew", id="no-subcommand"),
        pytest.param("setu schema sample tip --sugar", "setu schema sample --sugar", id="no-option"),
    ],
)
def test_what_is_missing_is_noticed(line, lost):
    assert missing(line.split()) == lost
