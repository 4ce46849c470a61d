"""`setu rotate targets|root`: new keys of a country in a realm's root, which a ceremony puts in force.

The new keys lie in `next/` beside those in use, which sign the change. With --finish, once the root in force names the
new ones, they take the place of the old, which are destroyed. What the old ones signed stays good: readers judge a
directory version by the root of its time.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from broker.assembly.keys import Keys, keys_in
from broker.assembly.keystore import keystore
from broker.assembly.realm import install_proposal, operator_keys
from broker.cli.ceremony_files import (
    InForceOption,
    RootOption,
    carry_over,
    document_for,
    held_by,
    keys_for,
    write_object,
)
from broker.cli.ceremony_shown import of_share, show_share
from broker.cli.keys import country_of
from broker.cli.output import JsonOption, emit
from broker.config import GatewaySettings, load
from broker.crypto.keyfile import destroy
from broker.crypto.keys import PrivateKey, generate
from broker.directory.files import LOCK
from broker.directory.share import make_share, public_key
from broker.directory.tuf_held import Held
from broker.directory.tuf_proposal import draw_up
from broker.errors import IntegrityError
from schemas.problem import Code
from schemas.realm import Share

NEXT = "next"
"""The folder, beside the keys in use, of those that are to follow them."""

DAYS = 366
ROOT, TARGETS = "root", "targets"

CountryArgument = Annotated[str, typer.Argument(metavar="IND", help="Whose keys, ISO 3166-1 alpha-3.")]
FolderOption = Annotated[
    Path | None,
    typer.Option("--keys", metavar="DIR", exists=True, file_okay=False, help="The country's folder with its six keys."),
]
OutOption = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", dir_okay=False, help="The share, a new file, for `realm new`.")
]
FinishOption = Annotated[
    bool, typer.Option("--finish", help="They are in force: put the new keys in place, and destroy the old ones.")
]
DemoOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="SETU.TOML",
        exists=True,
        dir_okay=False,
        help="Instead of all these: the settings of a realm whose keys are all in one place; it is done at once.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands to `setu rotate`."""
    app.command(
        "targets",
        epilog="Example: setu rotate targets IND --keys keys --in-force directory --root root.json --out ind.4.json",
    )(targets)
    app.command(
        "root",
        epilog="Example: setu rotate root IND --keys keys --in-force directory --root root.json --out ind.4.json",
    )(root)


def targets(
    ctx: typer.Context,
    country: CountryArgument,
    keys: FolderOption = None,
    in_force: InForceOption = None,
    root: RootOption = None,
    out: OutOption = None,
    finish: FinishOption = False,
    config: DemoOption = None,
    _json: JsonOption = False,
) -> None:
    """Make a country's next two targets keys and the share that names them; run on the country's own machine.

    `setu realm new` makes a proposal of the share, and it is signed with `--keys DIR --keys DIR/next`. Once it is in
    force, run it again with --finish and a new copy of the repository.
    """
    _run(ctx, TARGETS, country_of(country), keys, in_force, root, out, finish, config)


def root(
    ctx: typer.Context,
    country: CountryArgument,
    keys: FolderOption = None,
    in_force: InForceOption = None,
    root: RootOption = None,
    out: OutOption = None,
    finish: FinishOption = False,
    config: DemoOption = None,
    _json: JsonOption = False,
) -> None:
    """Make a country's next four root keys and the share that names them; else as `targets`."""
    _run(ctx, ROOT, country_of(country), keys, in_force, root, out, finish, config)


def _run(
    ctx: typer.Context,
    use: str,
    country: str,
    keys: Path | None,
    in_force: Path | None,
    root: Path | None,
    out: Path | None,
    finish: bool,
    config: Path | None,
) -> None:
    if config is not None:
        if (keys, in_force, root, out, finish) != (None, None, None, None, False):
            raise typer.BadParameter("expected --config alone, or the options of a ceremony without it")
        found = _at_once(load(GatewaySettings, config), use, country)
        emit(ctx, {"ok": True, **found}, lambda console: _show(console, found))
        return
    held = held_by(in_force, root)
    if keys is None or held is None:
        raise typer.BadParameter("expected --keys and --in-force, or --config alone")
    place = _Place(keys, use, country, held)
    if finish == (out is not None):
        raise typer.BadParameter("expected either --out or --finish")
    if out is None:
        found = {"destroyed": place.finish()}
        emit(ctx, {"ok": True, **found}, lambda console: _show(console, found))
        return
    share = place.share()
    write_object(out, share.to_object())
    said = of_share(share, [public_key(key).kid for key in share.keys])
    emit(ctx, {"ok": True, "file": str(out), "keys_in": str(place.next), **said}, lambda shown: show_share(shown, said))


@dataclass(frozen=True, slots=True)
class _Place:
    """A country's folder of keys. `use`: of those that are replaced."""

    folder: Path
    use: str
    country: str
    held: Held

    @property
    def next(self) -> Path:
        return self.folder / NEXT

    def share(self) -> Share:
        """The country's share with the new keys, which are made where they are not there yet."""
        old = self._own(self._kids())
        if not self._files(self.next):
            self.next.mkdir(mode=0o700, exist_ok=True)
            for path, key in old:
                keystore().write_beside(path, self.next / path.name, generate(key.alg), self.use)
        following: Keys = [(self.use, key) for _, key in self._files(self.next)]
        kept = [(use, key) for use, key in keys_in(self.folder) if use != self.use and key.public.kid in self._all()]
        return make_share(self.country, [*kept, *following])

    def finish(self) -> list[str]:
        """Put the new keys in the place of the old; returns the files that were destroyed."""
        following = self._files(self.next)
        in_force = self._kids()
        if not following or not {key.public.kid for _, key in following} <= in_force:
            raise IntegrityError(
                Code.DIRECTORY_INVALID,
                f"Expected the keys in {self.next} to be those of {self.country} for {self.use} in the root in force, "
                "found that they are not.",
                advice="Finish once the proposal is published, with a new copy of the repository's folder.",
            )
        carry_over(self.next, self.folder)
        destroyed = []
        for path, _ in following:
            former = self.folder / path.name
            if former.exists():
                destroy(former)
                destroyed.append(str(former))
            path.rename(former)
        if {each.name for each in self.next.iterdir()} <= {LOCK}:
            (self.next / LOCK).unlink(missing_ok=True)
            self.next.rmdir()
        return destroyed

    def _kids(self) -> set[str]:
        share = self.held.keys.countries.get(self.country)
        if share is None:
            raise IntegrityError(
                Code.DIRECTORY_INVALID,
                f"Expected {self.country} among the countries of the root in force, found it is none.",
                advice="Name a country of this realm, and a copy of its repository that is in force.",
            )
        return {key.kid for key in (share.root if self.use == ROOT else share.targets)}

    def _all(self) -> set[str]:
        share = self.held.keys.countries[self.country]
        return {key.kid for key in (*share.root, *share.targets)}

    def _own(self, kids: set[str]) -> list[tuple[Path, PrivateKey]]:
        found = [(path, key) for path, key in self._files(self.folder) if key.public.kid in kids]
        if len(found) != len(kids):
            raise IntegrityError(
                Code.CONFIG_INVALID,
                f"Expected the {len(kids)} {self.use} keys of {self.country} that are in force in {self.folder}, "
                f"found {len(found)}.",
                advice="A lost key is replaced by `setu keys generate --missing`; see the runbook of ceremonies.",
            )
        return found

    def _files(self, folder: Path) -> list[tuple[Path, PrivateKey]]:
        read = ((path, *keystore().key_with_use(path)) for path in sorted(folder.glob("*.key")))
        return [(path, key) for path, use, key in read if use == self.use]


def _at_once(settings: GatewaySettings, use: str, country: str) -> dict[str, Any]:
    folder, repository = settings.at(settings.paths.realm_keys), settings.at(settings.paths.directory)
    pinned = settings.at(settings.paths.root)
    held = held_by(repository, pinned)
    if held is None:
        raise typer.BadParameter("expected a realm's repository, found none")
    place = _Place(folder, use, country, held)
    keys = keys_for(held, {country: place.share()}, renewed=False)
    document = document_for(held, keys, None, renewed=False)
    proposal = draw_up(held, keys=keys, document=document, now=time.time(), days=DAYS)
    signers: Sequence[tuple[str, PrivateKey]] = [*keys_in(folder), *keys_in(place.next)]
    install_proposal(repository, proposal.with_signatures(signers), operator_keys(folder))
    after = held_by(repository, pinned) or held
    destroyed = _Place(folder, use, country, after).finish()
    return {"root": after.root.version, "version": after.document.version, "destroyed": destroyed}


def _show(console: Console, found: dict[str, Any]) -> None:
    if "root" in found:
        console.print(f"In force: root {found['root']}, directory version {found['version']}.", style="bold green")
    for each in found["destroyed"]:
        console.print(f"  destroyed {each}")
