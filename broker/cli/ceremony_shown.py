"""What a ceremony shows before anything is signed: the proposal against what is in force, and who has signed."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from broker.cli.keyring import spoken
from broker.directory.changes import changes, readable
from broker.directory.tuf_held import Held
from broker.directory.tuf_proposal import Proposal
from broker.directory.tuf_tally import Tally
from schemas.canonical import unb64u
from schemas.realm import Share

ROLES = ("root", "targets", "snapshot", "timestamp")


def of_proposal(proposal: Proposal) -> dict[str, Any]:
    """A proposal as one object: its fingerprint, what it changes, its keys, how far its thresholds are met."""
    after = readable(proposal.signed_part())
    before = readable(proposal.held.signed()) if proposal.held is not None else {}
    signed = {kid for tally in proposal.tallies() for kids in tally.signed.values() for kid in kids}
    found: dict[str, Any] = {
        "fingerprint": spoken(proposal.fingerprint),
        "founds": proposal.held is None,
        "proposes": {name: after[name]["version"] for name in _parts(proposal)},
        "expires": {name: after[name]["expires"] for name in ("root", "targets") if name in _parts(proposal)},
        "changes": list(changes(_but_keys(before), _but_keys(after))),
        "thresholds": [_tally(each) for each in proposal.tallies()],
    }
    if proposal.held is not None:
        found["realm"] = spoken(unb64u(proposal.held.realm))
    if proposal.root is not None:
        fingerprints = {spoken(unb64u(kid)) for kid in signed}
        found["keys"] = _keys(before.get("root", {}), after["root"], fingerprints)
    return found


def of_realm(held: Held, realm: str) -> dict[str, Any]:
    """A realm as one object: its identity, versions, expiries, thresholds and keys."""
    now = readable(held.signed())
    return {
        "realm": realm,
        "root": now["root"]["version"],
        "directory": now["directory"]["version"],
        "expires": {name: now[name]["expires"] for name in ("root", "targets")},
        "thresholds": {role: _of(now["root"][role]) for role in ("root", "targets")},
        "keys": _keys(now["root"], now["root"], set()),
    }


def of_share(share: Share, kids: Sequence[str]) -> dict[str, Any]:
    """A share as one object; `kids` of its keys, in their order."""
    keys = [
        {"role": key.use, "alg": key.alg, "fingerprint": spoken(unb64u(kid))}
        for key, kid in zip(share.keys, kids, strict=True)
    ]
    return {"holder": share.holder, "keys": keys}


def show_proposal(console: Console, found: Mapping[str, Any], here: Collection[str] = frozenset()) -> None:
    """For people; `here`: fingerprints of the keys whose private halves are at hand."""
    console.print("Proposed, to found a realm: " if found["founds"] else "Proposed: ", style="bold", end="")
    console.print(versions(found))
    if "realm" in found:
        console.print(f"  in the realm {found['realm']}, which must be the one your side pinned")
    for name, moment in found["expires"].items():
        console.print(f"  {name} good until {moment}")
    if "keys" in found:
        _show_keys(console, found["keys"], here)
    console.print("What it changes" if not found["founds"] else "What it says", style="bold")
    for line in found["changes"]:
        console.print(f"  {line}")
    for tally in found["thresholds"]:
        console.print(f"  {told(tally)}", style="green" if not tally["missing"] else "yellow")
    console.print("Fingerprint, to be read to the other side:", style="bold")
    console.print(f"  {found['fingerprint']}", style="bold cyan")


def show_realm(console: Console, found: Mapping[str, Any]) -> None:
    """For people."""
    console.print(f"Root version {found['root']}, directory version {found['directory']}.", style="bold green")
    console.print(f"  realm   {spoken(unb64u(found['realm']))}")
    for name, moment in found["expires"].items():
        console.print(f"  {name:8}good until {moment}")
    for name, each in found["thresholds"].items():
        console.print(f"  {name:8}{each['threshold']} of {each['keys']} must sign")
    _show_keys(console, found["keys"], frozenset())


def show_share(console: Console, found: Mapping[str, Any]) -> None:
    """For people."""
    console.print(f"Keys of {found['holder']}, each proven to have its private half:", style="bold green")
    for key in found["keys"]:
        console.print(f"  {key['role']:10}{key['alg']:11}{key['fingerprint']}")


def versions(found: Mapping[str, Any]) -> str:
    """What a proposal puts in force, in words."""
    return ", ".join(f"{name} version {version}" for name, version in found["proposes"].items() if name != "targets")


def told(tally: Mapping[str, Any]) -> str:
    """A threshold in a sentence: who has signed, and how many of which country are missing."""
    signed = ", ".join(f"{country} {tally['signed'][country]} of {of}" for country, of in tally["of"].items())
    said = (
        f"{tally['what']} {tally['version']} by the keys of root {tally['by']}: "
        f"{sum(tally['signed'].values())} signatures, {tally['threshold']} needed ({signed})"
    )
    if not tally["missing"]:
        return f"{said}: met"
    left = " or ".join(f"{country} ({number} left)" for country, number in tally["open"].items())
    return f"{said}: {tally['missing']} more, of {left}"


def _tally(tally: Tally) -> dict[str, Any]:
    return {
        "what": tally.what,
        "version": tally.version,
        "by": tally.by,
        "threshold": tally.threshold,
        "signed": {country: len(kids) for country, kids in tally.signed.items()},
        "of": {country: len(kids) for country, kids in tally.of.items()},
        "missing": tally.missing,
        "open": dict(tally.open),
    }


def _but_keys(said: Mapping[str, Any]) -> dict[str, Any]:
    """Without the root's keys, which are listed by themselves."""
    root = {
        name: {each: part[each] for each in part if each != "keys"} if name in ROLES else part
        for name, part in said.get("root", {}).items()
    }
    return {**said, "root": root} if root else dict(said)


def _parts(proposal: Proposal) -> list[str]:
    return [*(["root"] if proposal.root else []), *(["targets", "directory"] if proposal.targets else [])]


def _of(role: Mapping[str, Any]) -> dict[str, int]:
    return {"threshold": role["threshold"], "keys": len(role["keys"])}


def _keys(before: Mapping[str, Any], after: Mapping[str, Any], signed: Collection[str]) -> list[dict[str, Any]]:
    found = []
    for role in ROLES:
        old, new = (each.get(role, {}).get("keys", {}) for each in (before, after))
        for fingerprint, holder in sorted({**old, **new}.items(), key=lambda each: (each[1], each[0])):
            state = "leaves" if fingerprint not in new else "stays" if old.get(fingerprint) == holder else "new"
            country, alg = holder.split(" ", 1)
            found.append(
                {
                    "role": role,
                    "holder": country,
                    "alg": alg,
                    "fingerprint": fingerprint,
                    "state": state,
                    "signed": fingerprint in signed,
                }
            )
    return found


def _show_keys(console: Console, keys: Sequence[Mapping[str, Any]], here: Collection[str]) -> None:
    table = Table("role", "holder", "algorithm", "fingerprint (SHA-256)", "", box=None, header_style="bold")
    for key in keys:
        notes = [key["state"]] if key["state"] != "stays" else []
        notes += ["signed"] if key["signed"] else []
        notes += ["here"] if key["fingerprint"] in here else []
        table.add_row(key["role"], key["holder"], key["alg"], key["fingerprint"], ", ".join(notes))
    console.print(table)
