"""`setu rotate log`: another pair of keys for a gateway's log, in steps of which none loses a receipt.

1. The new pair is made in the keys folder. Gateways sign with both pairs from then on, before any reader knows it.
2. The next directory version names it as the current pair and the old one as a former pair. Both sign: who still holds
   the version before goes by the old one.
3. `--finish`: the version after that says up to which size of the log the old pair counts. The new one signs alone, and
   the private half of the old one is destroyed.

A compromised pair gets its size in step 2 already. That loses no receipt, for all that is later was signed by both.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from broker.assembly.keys import keys_in, log_pairs_of
from broker.assembly.realm import local_directory, put_in_force
from broker.assembly.store import guard_takes, look_at_store
from broker.cli.deployment import KEY_DAYS
from broker.cli.log_files import destroy_ended, make_pair, staged, unfinished
from broker.cli.options import write_new
from broker.cli.output import JsonOption, emit
from broker.cli.running import Running
from broker.config import GatewaySettings, load
from broker.directory.logs import both_sign, ended, replaced, row_of
from broker.errors import IntegrityError
from broker.merkle.note import LogSigner
from broker.merkle.signers import id_of
from schemas.directory import Directory, LogPair
from schemas.problem import Code

EXAMPLE = "Example: setu rotate log --config deployment/setu.toml   (and later, with --finish)"
PATIENCE = 60.0

PatienceOption = Annotated[
    float, typer.Option("--patience", metavar="SECONDS", min=0.0, help="How long to wait for gateways that run.")
]
StageOption = Annotated[
    Path | None,
    typer.Option(dir_okay=False, help="Write the new version here, for the ceremony, and put nothing in force."),
]


def register(app: typer.Typer) -> None:
    """Add the command to `setu rotate`."""
    app.command("log", epilog=EXAMPLE)(log)


def log(
    ctx: typer.Context,
    config: Annotated[
        list[Path],
        typer.Option(
            "--config",
            metavar="SETU.TOML",
            exists=True,
            dir_okay=False,
            help="The gateway's settings; repeated, those of others on the same log and machine, which are asked too.",
        ),
    ],
    stage: StageOption = None,
    finish: Annotated[
        bool, typer.Option("--finish", help="Let the new pair sign alone, and destroy the old one's private half.")
    ] = False,
    compromised: Annotated[
        bool, typer.Option("--compromised", help="The pair in use is in other hands: it counts no further than now.")
    ] = False,
    size: Annotated[
        int | None,
        typer.Option(min=0, help="With --compromised: the last size of the log that is known to be good; now without."),
    ] = None,
    ask: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST:PORT", help="The operator's listener of another gateway or relay of this log; repeat it."
        ),
    ] = None,
    patience: PatienceOption = PATIENCE,
    _json: JsonOption = False,
) -> None:
    """Give the log another pair of keys: both sign until --finish. Nothing signed before is lost.

    Without --stage each step is put in force at once, for realms whose keys are all in one place (a demonstration).
    With it, the countries sign the version written; then run it again with --finish. Where several machines run
    gateways of this log, copy the new log-*.key files into each one's keys folder first; a gateway without them stops
    accepting once the version is in force, and says so.
    """
    if (finish and compromised) or (size is not None and not compromised):
        raise typer.BadParameter("expected --finish or --compromised, and --size with --compromised alone")
    settings = [load(GatewaySettings, each) for each in config]
    step = _Step(settings, Running(settings, ask or ()), stage, patience)
    found = step.end() if finish else step.begin(compromised, size)
    emit(ctx, {"ok": True, **found}, lambda console: _show(console, found))


@dataclass(frozen=True, slots=True)
class _Step:
    settings: list[GatewaySettings]
    running: Running
    stage: Path | None
    patience: float

    @property
    def own(self) -> GatewaySettings:
        return self.settings[0]

    @property
    def keys(self) -> Path:
        return self.own.at(self.own.paths.keys)

    def begin(self, compromised: bool, size: int | None) -> dict[str, Any]:
        before = local_directory(self.own).current().signed
        row = row_of(before, self.own.gateway)
        if both_sign(row) and not compromised:
            raise IntegrityError(
                Code.CONFIG_INVALID,
                "Expected one pair of keys that signs, found two: a rotation is under way.",
                advice="End it first: setu rotate log --finish.",
            )
        if compromised and unfinished(self.keys, row):
            raise IntegrityError(
                Code.CONFIG_INVALID,
                "Expected no former pair of log keys here that signs no more, found one.",
                advice="The rotation that made the pair in use was not ended: setu rotate log --finish. Run this again "
                "only where the pair in use is in other hands, too.",
            )
        pair = staged(self.keys, row) or make_pair(self.keys, row, os.urandom)
        self._signed_with(pair.pair)
        if compromised:
            self._check_guard(pair)
            size = self._size() if size is None else size
        after = replaced(
            before,
            self.own.gateway,
            pair.pair,
            now=int(time.time()),
            days=KEY_DAYS,
            compromised_at=size if compromised else None,
        )
        found = self._put(after) | {"step": "begun", "signs": id_of(pair.pair)}
        if compromised:
            found |= {"step": "compromised", "size": size}
            if self.stage is None:
                found |= self._destroy(after)
        return found

    def end(self) -> dict[str, Any]:
        before = local_directory(self.own).current().signed
        row = row_of(before, self.own.gateway)
        if not both_sign(row):
            return {"step": "ended", "version": before.version, "published": False, **self._destroy(before)}
        (pair,) = row.pairs[:1]
        self._adopted(before.version, pair)
        self._check_guard(self._held(pair))
        size = self._size()
        after = ended(before, self.own.gateway, size)
        found = self._put(after) | {"step": "ended", "signs": id_of(pair), "size": size}
        return found | (self._destroy(after) if self.stage is None else {})

    def _put(self, document: Directory) -> dict[str, Any]:
        if self.stage is not None:
            write_new(self.stage, document.canonical())
            return {"version": document.version, "published": False, "staged": str(self.stage)}
        put_in_force(self.own, document)
        self._adopted(document.version, row_of(document, self.own.gateway).pairs[0])
        return {"version": document.version, "published": True}

    def _signed_with(self, pair: LogPair) -> None:
        name = id_of(pair)
        self.running.wait(lambda said: name in said.get("log_keys", ()), self.patience, "signs with the new pair too")

    def _adopted(self, version: int, pair: LogPair) -> None:
        name = id_of(pair)
        self.running.wait(
            lambda said: said.get("directory", 0) >= version and said.get("log_keys", [""])[0] == name,
            self.patience,
            f"goes by directory version {version}",
        )

    def _check_guard(self, pair: LogSigner) -> None:
        if not self.own.embedded and not guard_takes(self.own, pair):
            raise IntegrityError(
                Code.CONFIG_INVALID,
                "Expected the shared guard to take heads under the new pair alone, found that it does not.",
                advice="Add both its verifier keys (setu audit vkey, or the staged version) to `vkeys` of the guard's "
                f"settings: {', '.join(pair.vkeys)}",
            )

    def _held(self, pair: LogPair) -> LogSigner:
        row = row_of(local_directory(self.own).current().signed, self.own.gateway)
        return next(each for each in log_pairs_of(keys_in(self.keys), row) if each.pair == pair)

    def _size(self) -> int:
        """How many entries the log has: every head that is signed by the pair before alone is of at most so many."""
        seen = look_at_store(self.own)
        return 0 if seen is None or seen.size is None else seen.size

    def _destroy(self, document: Directory) -> dict[str, Any]:
        found = destroy_ended(self.keys, row_of(document, self.own.gateway))
        granted = {"granted": [str(each) for each in found.granted]} if found.granted else {}
        there = {"in_hsm": found.in_hsm} if found.in_hsm else {}
        return {"destroyed": [str(each) for each in found.destroyed], **granted, **there}


def _show(console: Console, found: dict[str, Any]) -> None:
    if "staged" in found:
        console.print(f"Version {found['version']} is in {found['staged']}, for the countries to sign.", style="bold")
    elif found["published"]:
        console.print(f"Version {found['version']} is in force.", style="bold green")
    if found["step"] == "begun":
        console.print(f"  heads are signed by the old pair and by {found['signs']}")
        console.print("  when every reader has had a day to see it: setu rotate log --finish")
    elif "size" in found:
        console.print(f"  the old pair counts for heads of at most {found['size']} entries; {found['signs']} signs")
    for each in found.get("destroyed", ()):
        console.print(f"  destroyed {each}")
    for each in found.get("granted", ()):
        console.print(
            f"  still a credential of this unit: {each}; take it out of the unit and destroy it", style="yellow"
        )
    for each in found.get("in_hsm", ()):
        console.print(f"  still in the HSM: {each}; destroy it there", style="yellow")
    if found["step"] != "begun" and not found.get("destroyed") and not found.get("staged"):
        console.print("  no private half of a former pair is here")
