"""Delegations of the targets role: it gives keys to deny lists, and to who signs a gateway's wrap keys."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from tuf.api.metadata import DelegatedRole, Delegations, Key, Root, Targets

from broker.crypto.keys import PublicKey
from broker.directory.changes import COUNTRY
from broker.directory.roles import DENY, WRAP, country_of_role, target_of
from broker.directory.tuf_keys import public_of, tuf_key
from broker.errors import IntegrityError, SignatureError
from schemas.deny import OPERATOR
from schemas.problem import Code

Delegates = Mapping[str, tuple[PublicKey, ...]]
"""Role -> its keys, all of which must sign: Ed25519 and ML-DSA-65; of the operator's deny list Ed25519 alone."""

_GATEWAY = re.compile(rf"{WRAP}[a-z]{{2}}(-[a-z0-9]+)+\Z")


def delegations_for(keys: Delegates) -> Delegations | None:
    """As targets metadata has them; None for nobody. Raises IntegrityError (code `directory-invalid`)."""
    wanted = {
        role: [tuf_key(each, country_of_role(role)) for each in publics] for role, publics in sorted(keys.items())
    }
    if not wanted:
        return None
    keyids = [each.keyid for theirs in wanted.values() for each in theirs]
    if len(set(keyids)) != len(keyids):
        raise unsound("one key in two places")
    roles = {
        role: DelegatedRole(
            role, [each.keyid for each in theirs], len(theirs), terminating=True, paths=[target_of(role)]
        )
        for role, theirs in wanted.items()
    }
    return Delegations({each.keyid: each for theirs in wanted.values() for each in theirs}, roles)


def delegates_of(targets: Targets) -> Delegates:
    """Who has keys by these targets metadata, whose delegations are of the agreed shape."""
    if targets.delegations is None:
        return {}
    held = {
        name: [public_of(targets.delegations.keys[each]) for each in role.keyids]
        for name, role in (targets.delegations.roles or {}).items()
    }
    return {name: tuple(sorted(publics, key=lambda each: each.alg)) for name, publics in held.items()}


def roles_of(targets: Targets) -> list[str]:
    """Names of the roles that these targets metadata delegate to."""
    roles = targets.delegations.roles if targets.delegations is not None else None
    return list(roles or {})


def algorithms_of(role: str) -> Counter[str]:
    """Algorithms of the keys that a role has."""
    return Counter(["Ed25519"] if role == DENY + OPERATOR else ["Ed25519", "ML-DSA-65"])


def check_delegations(targets: Targets, root: Root) -> None:
    """Refuse delegations that are none to deny lists and wrap keys, of the agreed shape.

    Raises:
        IntegrityError: code `directory-invalid`.
    """
    if targets.delegations is None:
        return
    elsewhere = set(root.keys)
    countries = {key.unrecognized_fields.get(COUNTRY) for key in root.keys.values()} - {None}
    if not targets.delegations.roles:
        raise unsound("delegations that name no roles")
    if {each for role in targets.delegations.roles.values() for each in role.keyids} != set(targets.delegations.keys):
        raise unsound("other keys in the delegations than their roles name")
    for name, role in targets.delegations.roles.items():
        if name != DENY + OPERATOR and name not in {f"{DENY}{each}" for each in countries} and not _GATEWAY.match(name):
            raise unsound("a role that is no deny list of a country of the root or of the operator, nor a gateway's")
        if role.paths != [target_of(name)] or role.terminating is not True:
            raise unsound(f"other targets for the role {name} than {target_of(name)}")
        theirs = [targets.delegations.keys[each] for each in role.keyids if each in targets.delegations.keys]
        _check_keys(name, theirs, role, elsewhere)


def _check_keys(name: str, theirs: Iterable[Key], role: DelegatedRole, elsewhere: set[str]) -> None:
    found: Counter[str] = Counter()
    for key in theirs:
        if key.unrecognized_fields.get(COUNTRY) != country_of_role(name):
            raise unsound(f"a key for the role {name} that is not marked as its own")
        if key.keyid in elsewhere:
            raise unsound(f"a key for the role {name} that signs something else, too")
        elsewhere.add(key.keyid)
        try:
            found[public_of(key).alg] += 1
        except SignatureError as error:
            raise unsound(f"a key for the role {name} that is no sound key") from error
    agreed = type(role.threshold) is int and role.threshold == len(role.keyids)
    if found != algorithms_of(name) or not agreed:
        raise unsound(f"other keys for the role {name} than {' and '.join(algorithms_of(name))}")


def unsound(found: str) -> IntegrityError:
    return IntegrityError(
        Code.DIRECTORY_INVALID,
        f"Expected deny lists and wrap keys as the countries agreed on them, found {found}.",
        advice="What was in force stays so. Ask who signs them, and the operator of the gateway.",
    )
