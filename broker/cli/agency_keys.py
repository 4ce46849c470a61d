"""What the directory says of the keys and the certificate that an agency has at hand.

Several keys of one kind are no fault: while they are rotated the old ones and the next lie side by side.
"""

from collections.abc import Iterator, Sequence

from broker.assembly.keys import Keys
from broker.cli.findings import SOON, Finding, State, dated
from broker.crypto.keys import PrivateKey
from broker.directory.lookup import Snapshot
from broker.directory.retire import overlapping
from schemas.directory import Agency, Certificate, Key, KeyState, KeyUse

ENROL = "Have the countries enrol this key, or put back the keys that they enrolled."
ROTATE = "Ask for the next one: `setu rotate request`; the old one stays good for a while beside it."
FINISH = "Put the next one in its place: `setu rotate finish`; ask for one with `setu rotate request --certificate`."


class OwnKeys:
    """The keys at hand of one agency, by its row in the directory. `now`: unix seconds."""

    def __init__(self, keys: Keys, snapshot: Snapshot, row: Agency, now: int) -> None:
        self._keys = keys
        self._snapshot = snapshot
        self._row = row
        self._now = now
        self._listed = {each.kid: each for each in row.keys}
        self._owners = {each.kid: agency.id for agency in snapshot.document.agencies for each in agency.keys}

    def findings(self) -> Iterator[Finding]:
        """All that is wrong or to be looked at; one that all is well where nothing is bad."""
        found = [each for use, key in self._keys for each in self._key(use, key)]
        found += list(self._elsewhere())
        yield from found
        if not any(each.state is State.BAD for each in found):
            yield Finding("keys", State.OK, self._well())

    def _key(self, use: str, key: PrivateKey) -> Iterator[Finding]:
        what, kid = f"the {use} key {key.alg}", key.public.kid
        owner, listed = self._owners.get(kid), self._listed.get(kid)
        replaced = self._other_good(use, key)
        if owner is not None and owner != self._row.id:
            yield _bad(f"Expected {what} of {self._row.id}, found the one of {owner}.", ENROL)
        elif listed is None:
            if not replaced:
                yield _bad(f"Expected {what} in the directory's row of {self._row.id}, found none there.", ENROL)
                return
            said = f"The directory does not list {what} with the kid {kid}: another one is used until it does."
            advice = "Have the registrar carry out the request that was made with it; or remove its file."
            yield Finding("keys", State.WARNING, said, advice)
        elif listed.state is KeyState.ACTIVE:
            yield from () if replaced and self._newest(listed) is not listed else self._in_time(what, listed)
        elif listed.state is KeyState.REVOKED or use == KeyUse.SIGN:
            yield from self._ended(what, listed, replaced=replaced)

    def _ended(self, what: str, listed: Key, *, replaced: bool) -> Iterator[Finding]:
        if not replaced:
            yield _bad(
                f"Expected {what} to be active, found it {listed.state} in directory version "
                f"{self._snapshot.ref.version}.",
                "Use the agency's current keys; a retired wrap key stays, to open older packets.",
            )
        elif listed.use is KeyUse.SIGN:
            said = f"The directory has {what} with the kid {listed.kid} {listed.state}: it signs nothing more."
            yield Finding("keys", State.WARNING, said, "Remove its file; `setu keys list` says which it is.")

    def _elsewhere(self) -> Iterator[Finding]:
        """Keys that others go by, and that are not here."""
        here = {key.public.kid for _, key in self._keys}
        wraps = [each for each in self._row.keys if each.use is KeyUse.WRAP and self._good(each)]
        newest = max(wraps, key=lambda each: each.not_before, default=None)
        if newest is not None and newest.kid not in here:
            yield _bad(
                f"Expected the wrap key {newest.kid} that others wrap to by directory version "
                f"{self._snapshot.ref.version}, found it is not here: what is sent to it cannot be opened.",
                "Put it into the keys folder, from its backup or from where `setu rotate request` made it; where it is "
                "lost, ask for the next one: `setu rotate request --wrap`.",
            )

    def _in_time(self, what: str, listed: Key) -> Iterator[Finding]:
        if not self._good(listed) or listed.not_after - self._now < SOON:
            yield dated("keys", what, listed.not_before, listed.not_after, self._now, ROTATE)

    def _other_good(self, use: str, key: PrivateKey) -> bool:
        """Another key of this kind is at hand and good now."""
        return any(
            (other, each.alg) == (use, key.alg)
            and each.public.kid != key.public.kid
            and (listed := self._listed.get(each.public.kid)) is not None
            and self._good(listed)
            for other, each in self._keys
        )

    def _newest(self, listed: Key) -> Key:
        here = {key.public.kid for _, key in self._keys}
        same = [
            each
            for each in self._row.keys
            if (each.use, each.alg) == (listed.use, listed.alg) and each.kid in here and self._good(each)
        ]
        return max(same, key=lambda each: each.not_before)

    def _good(self, key: Key) -> bool:
        return key.state is KeyState.ACTIVE and key.not_before <= self._now < key.not_after

    def _well(self) -> str:
        said = f"The keys are those that the directory lists for {self._row.id}."
        old = overlapping(self._row, self._now)
        if not old:
            return said
        until = dated("keys", "it", old[-1].not_before, old[-1].not_after, self._now, "").found.rpartition(" ")[2]
        return f"{said} {len(old)} of them were replaced and stay good until {until}"


def certificate_findings(row: Agency, sha256: str, now: int) -> Iterator[Finding]:
    """What the directory says of the certificate that is in its place here: nothing where all is well."""
    listed = next((each for each in row.certificates if each.sha256 == sha256), None)
    if listed is None:
        yield Finding(
            "certificate",
            State.BAD,
            f"Expected the certificate in the directory's row of {row.id}, found another one there.",
            FINISH,
        )
    elif listed.state is not KeyState.ACTIVE:
        said = f"Expected the certificate to be active, found it {listed.state} in the directory."
        yield Finding("certificate", State.BAD, said, FINISH)
    elif not listed.not_before <= now < listed.not_after or listed.not_after - now < SOON:
        what = "the certificate" + (", which another one replaces," if _newer(listed, row.certificates) else "")
        yield dated("certificate", f"{what} in the directory", listed.not_before, listed.not_after, now, FINISH)


def _newer(listed: Certificate, others: Sequence[Certificate]) -> bool:
    own = _generation(listed)
    return any(each.state is KeyState.ACTIVE and _generation(each) > own for each in others)


def _generation(certificate: Certificate) -> int:
    return int(certificate.uri.rpartition(":g")[2])


def _bad(found: str, advice: str) -> Finding:
    return Finding("keys", State.BAD, found, advice)
