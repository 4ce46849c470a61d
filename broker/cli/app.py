"""The root of the command line. A command's module is imported when it is called, so that `setu --help` is quick."""

import importlib
import inspect
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from broker.cli.output import report
from broker.errors import IntegrityError, SetuError
from schemas.problem import Code

AGENCIES, AUDITORS, OPERATORS, EVERYBODY = "For agencies", "For auditors", "For operators", "To try it"


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a command lives, and its line in `setu --help`."""

    module: str
    line: str
    panel: str


COMMANDS = {
    "send": Entry("send", "Seal a payload and send it; print the receipt.", AGENCIES),
    "follow": Entry("follow", "Receive packets as they come; verify, open and acknowledge them.", AGENCIES),
    "packet": Entry("packet", "Seal, open, verify and look into packets, without sending any.", AGENCIES),
    "clocks": Entry("clocks", "Show what is due to an agency and from it, overdue first.", AGENCIES),
    "enrol": Entry("enrol", "Ask to join a realm: make keys and a request; prove and check it.", AGENCIES),
    "keys": Entry("keys", "Make key files, seal them, show their fingerprints.", AGENCIES),
    "schema": Entry("schema", "Payload kinds: list them, show, sample, check a payload; add a kind.", AGENCIES),
    "policy": Entry("policy", "Ask what the release policy says of a header; check a folder of rules.", AGENCIES),
    "audit": Entry("audit", "Search, mirror and verify the exchange log; export a packet's proof.", AUDITORS),
    "outcomes": Entry("outcomes", "What packets led to, by agency and kind: answers, outcomes, hours held.", AUDITORS),
    "watch": Entry("watch", "Precursors: notices against answers, arrivals, movements, diversions.", AGENCIES),
    "init": Entry("init", "Make a deployment folder: settings, CAs, keys, directory, policies.", OPERATORS),
    "serve": Entry("serve", "Run the gateway.", OPERATORS),
    "relay": Entry("relay", "Bring accepted packets to Kafka, beside several gateways.", OPERATORS),
    "guard": Entry("guard", "Run the rollback guard that several gateways share.", OPERATORS),
    "store": Entry("store", "Show, upgrade and move the database that keeps the ledger.", OPERATORS),
    "realm": Entry("ceremony", "Key ceremonies: found a realm, replace keys, renew; each holder signs.", OPERATORS),
    "directory": Entry("directory", "Show, verify, renew the directory; add agencies; publish a version.", OPERATORS),
    "deny": Entry("deny", "Suspend agencies, keys and certificates at once, by a country's own deny list.", OPERATORS),
    "rotate": Entry("rotate", "Replace keys and certificates in use, each by one command.", OPERATORS),
    "topics": Entry("topics", "Make Kafka's topics and ACLs what the directory says.", OPERATORS),
    "demo": Entry("demo", "Two countries exchange packets on this machine; attacks on it are refused.", EVERYBODY),
    "drill": Entry("drill", "Put faults into a cluster of one's own; check that nothing is lost.", EVERYBODY),
    "bench": Entry("bench", "Measure this machine: accepted packets beside what cryptography allows.", EVERYBODY),
    "echo": Entry("echo", "Be a practice partner: acknowledge exercises and answer them.", EVERYBODY),
    "doctor": Entry("doctor", "Check a gateway's or an agency's set-up; say what is wrong and what to do.", OPERATORS),
}


OWN = ("broker", "schemas", "adapters")


class Root(TyperGroup):
    """Lists its commands from the table above and imports the one that is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, entry in COMMANDS.items():
            self.commands[name] = TyperCommand(name, help=entry.line, rich_help_panel=entry.panel)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        if name in COMMANDS:
            command = load(name)
        return name, command, rest

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (SetuError, OSError) as error:
            if isinstance(error, BrokenPipeError):
                raise
            report(ctx, error)
            raise typer.Exit(1) from None
        except ModuleNotFoundError as error:
            if error.name is None or error.name.partition(".")[0] in OWN:
                raise
            report(ctx, _not_installed(error.name))
            raise typer.Exit(1) from None


def load(name: str) -> Any:
    """The command itself, out of its module."""
    module = importlib.import_module(f"broker.cli.{COMMANDS[name].module}")
    module.app._add_completion = False  # noqa: SLF001 - the root says so for all; typer asks each
    command = typer.main.get_command(module.app)
    command.name = name
    _flow(command)
    return command


def _flow(command: Any) -> None:
    """Help flows to the terminal's width; the line breaks of a docstring are the source's."""
    paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    command.help = "\n\n".join(" ".join(each.split()) for each in paragraphs)
    for each in getattr(command, "commands", {}).values():
        _flow(each)


def _not_installed(module: str) -> IntegrityError:
    return IntegrityError(
        Code.CONFIG_INVALID,
        f"Expected what a gateway needs to be installed, found no module {module}.",
        advice="Install the extra: pip install 'setu-broker[gateway]'.",
    )


app = typer.Typer(
    cls=Root,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        try:
            found = version("setu-broker")
        except PackageNotFoundError:
            found = "unknown (run from a source tree)"
        typer.echo(f"setu {found}")
        raise typer.Exit


@app.callback(epilog="Example: setu demo")
def root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Setu carries signed, encrypted intelligence packets between agencies and logs every exchange."""
