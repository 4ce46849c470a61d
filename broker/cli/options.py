"""Options that several commands share."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from broker.errors import MalformedError
from schemas.packet import Precedence
from schemas.problem import Code

AsOption = Annotated[
    Path,
    typer.Option(
        "--as", metavar="AGENCY.TOML", envvar="SETU_AS", exists=True, dir_okay=False, help="The agency's own settings."
    ),
]
MaybeAsOption = Annotated[
    Path | None,
    typer.Option("--as", metavar="AGENCY.TOML", exists=True, dir_okay=False, help="An agency's own settings."),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="SETU.TOML", exists=True, dir_okay=False, help="A gateway's settings."),
]
ToOption = Annotated[list[str], typer.Option("--to", metavar="AGENCY", help="A recipient; may be repeated.")]
PrecedenceOption = Annotated[Precedence, typer.Option(help="How soon a person should look.")]
ExerciseOption = Annotated[bool, typer.Option("--exercise", help="Mark it as drill traffic.")]
ThreadOption = Annotated[str | None, typer.Option(help="The conversation's UUID; a new one without.")]
ReplyOption = Annotated[str | None, typer.Option("--in-reply-to", help="The digest of the packet this answers.")]
SourcesOption = Annotated[
    list[str] | None,
    typer.Option("--source", help="The digest of a packet whose content went into this one; repeat it."),
]
LifetimeOption = Annotated[int | None, typer.Option(min=60, help="Seconds until it expires; a week without.")]
KindVersionOption = Annotated[int | None, typer.Option(min=1, help="The kind's version; the newest without.")]
SealedOption = Annotated[
    bool | None,
    typer.Option("--sealed/--open", help="Leave the gateway out as a reader, or not; by default as the settings say."),
]

TokenOption = Annotated[
    str | None,
    typer.Option(
        "--pkcs11",
        metavar="URI",
        help="Make the classical keys in this token of an HSM (RFC 7512), such as pkcs11:token=setu, to stay there; "
        "its library is named in SETU_PKCS11_MODULE. Post-quantum and wrap keys are files still.",
    ),
]


_DASHED = re.compile(r"-[A-Za-z0-9_-]{63}")


class TakesDigest(TyperCommand):
    """A command whose argument is a packet's digest: base64url, so that one of 64 begins as an option does."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        dashed = [each for each in args if _DASHED.fullmatch(each)]
        if dashed and "--" not in args:
            args = [*(each for each in args if each not in dashed), "--", *dashed]
        return super().parse_args(ctx, args)


def write_new(path: Path, content: bytes) -> None:
    """Write a file that is not there yet.

    Raises:
        MalformedError: code `bad-request`; there is one.
    """
    try:
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        raise MalformedError(
            Code.BAD_REQUEST,
            f"Expected no file at {path}, found one.",
            advice="Name another file; nothing was changed.",
        ) from None
