"""What is printed where: documents alone on stdout, everything for people beside them."""

import json

import pytest
import typer
from rich.table import Table
from typer.testing import CliRunner

from broker.cli.app import Root
from broker.cli.output import JsonOption, console, document_of, emit, note, print_json, progress
from broker.errors import MalformedError, PolicyError, UnavailableError
from schemas.problem import Code, RuleHit

HIT = RuleHit(rule="1.purpose", recipient="us-fincen", sentence="No mandate for that.", remedy="Narrow the purpose.")


def run(raises=None, *words):
    app = typer.Typer(cls=Root)

    @app.callback()
    def root() -> None:
        pass

    @app.command()
    def act(ctx: typer.Context, _json: JsonOption = False) -> None:
        note("on the way")
        if raises is not None:
            raise raises
        emit(ctx, {"a": [1]}, lambda shown: shown.print("for people [not markup]"))

    return CliRunner().invoke(app, ["act", *words])


def test_people_get_text():
    done = run()
    assert (done.exit_code, done.stdout) == (0, "for people [not markup]\n")
    assert done.stderr == "on the way\n"


def test_programs_get_one_document_and_nothing_else():
    assert json.loads(run(None, "--json").stdout) == {"a": [1]}


@pytest.mark.parametrize(
    ("error", "words"),
    [
        pytest.param(
            MalformedError(Code.SCHEMA, "Expected a, found b.", advice="Mend c.", pointer="/d"),
            ["schema:", "Expected a, found b.", "at: /d", "what to do: Mend c."],
            id="with-a-pointer",
        ),
        pytest.param(
            PolicyError("Expected a release, found 1 rule.", [HIT]),
            ["policy-denied:", "1.purpose (us-fincen): No mandate", "what would change it: Narrow the purpose."],
            id="with-rules",
        ),
        pytest.param(UnavailableError("Expected an answer."), ["unavailable:", "what to do: Ask again"], id="in-doubt"),
        pytest.param(
            FileNotFoundError(2, "No such file or directory", "x.toml"),
            ["config-invalid:", "at x.toml, found: No such file"],
            id="of-the-system",
        ),
    ],
)
def test_a_refusal_says_what_was_expected_and_what_to_do(error, words):
    done = run(error)
    assert (done.exit_code, done.stdout) == (1, "")
    assert [word for word in words if word not in done.stderr] == []


def test_a_refusal_is_a_document_too():
    done = run(PolicyError("Expected a release.", [HIT], advice="Ask."), "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout) == {
        "ok": False,
        "error": {
            "code": "policy-denied",
            "message": "Expected a release.",
            "advice": "Ask.",
            "rules": [HIT.to_object()],
        },
    }


def test_what_is_unexpected_is_not_hidden():
    assert isinstance(run(ZeroDivisionError()).exception, ZeroDivisionError)


def test_an_error_of_the_system_is_named_by_what_it_was():
    assert document_of(OSError())["error"]["message"].endswith("found: OSError.")


def test_markup_in_data_is_text(capsys):
    console().print("[red]x[/red] :smile:")
    assert capsys.readouterr().out == "[red]x[/red] :smile:\n"


def test_what_others_wrote_cannot_rewrite_the_screen(capsys):
    shown = console()
    shown.print("a\x1b[2J\u202eb\x9b", style="bold")
    table = Table("c\x1b[H", box=None)
    table.add_row("d\x07\u2066")
    shown.print(table)
    found = capsys.readouterr().out
    assert [line.strip() for line in found.splitlines()] == [
        "a\\u001b[2J\\u202eb\\u009b",
        "c\\u001b[H",
        "d\\u0007\\u2066",
    ]


def test_nor_in_a_document_which_stays_the_same(capsys):
    document = {"a\u202e": "b\x9b2J\x1b\x7f\n\t\u0915"}
    print_json(document)
    found = capsys.readouterr().out
    assert json.loads(found) == document
    assert "\u0915" in found
    assert [each for each in found if each in "\u202e\x9b\x1b\x7f"] == []


def test_progress_is_silent_where_nobody_looks(capsys):
    with progress("copying [x]") as moved:
        moved(1, 2)
    assert capsys.readouterr() == ("", "")


def test_the_empty_pointer_is_no_place():
    assert "at:" not in run(MalformedError(Code.SCHEMA, "Expected an object.", pointer="")).stderr
    assert "  at: /title" in run(MalformedError(Code.SCHEMA, "Expected a title.", pointer="/title")).stderr
