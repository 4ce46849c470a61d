"""Which agency, key or certificate was valid: pure look-ups in one version of the directory."""

import hashlib
from collections.abc import Sequence

from broker.directory.deny import Listed, suspended, words_of
from broker.directory.wrap import GatewayKeys, with_wrap_keys
from broker.errors import IntegrityError, PacketError, SignatureError
from schemas.canonical import b64u
from schemas.directory import (
    Agency,
    AgencyState,
    Certificate,
    Directory,
    DirectoryRef,
    Key,
    KeyState,
    KeyUse,
    Log,
    Role,
)
from schemas.packet import SuiteName
from schemas.problem import Code


class Snapshot:
    """One verified version of the directory, indexed. Immutable.

    document: with the gateways' own wrap keys, and what deny lists suspend; signed: as the countries signed it. ref:
    the signed one's. denied: the places of `lists`, as one line. standing: identifies `document` without wrap keys, for
    caches of the policy's.
    """

    def __init__(
        self,
        document: Directory,
        *,
        raw: bytes,
        realm: str,
        lists: Sequence[Listed] = (),
        gateways: Sequence[GatewayKeys] = (),
    ) -> None:
        self.signed = document
        self.document = document = suspended(with_wrap_keys(document, gateways), lists, realm)
        self.raw = raw
        self.realm = realm
        self.lists = tuple(lists)
        self.gateways = tuple(gateways)
        self.denied = words_of(lists)
        self.ref = DirectoryRef(version=document.version, hash=b64u(hashlib.sha384(raw).digest()))
        self.standing = self.ref
        if self.denied:
            both = f"{self.ref.hash} {self.denied}".encode()
            self.standing = DirectoryRef(version=document.version, hash=b64u(hashlib.sha384(both).digest()))
        self._agencies = {agency.id: agency for agency in document.agencies}
        # By agency, for a gateway's role may name another's wrap key: that must not take it from its owner.
        self._keys = {(agency.id, key.kid): key for agency in document.agencies for key in agency.keys}
        self._certificates = {
            each.sha256: (agency, each) for agency in document.agencies for each in agency.certificates
        }

    @property
    def suite(self) -> SuiteName:
        return self.document.suite

    def agency(self, agency: str) -> Agency | None:
        return self._agencies.get(agency)

    def active(self, agency: str, role: Role = Role.AGENCY, *, place: int | None = None) -> Agency:
        """The agency, active and in this role; `place`: where it stands in a packet's `to`, counted from 0.

        Raises:
            PacketError: code `recipient-unknown`.
        """
        found = self._agencies.get(agency)
        at = "" if place is None else f" at position {place + 1} of `to`"
        if found is None or found.state is not AgencyState.ACTIVE or role not in found.roles:
            raise PacketError(
                Code.RECIPIENT_UNKNOWN,
                f"Expected an active {role} of this realm{at}, found none in directory version {self.ref.version}.",
                advice="Refresh the directory and address agencies that it lists as active.",
                pointer=None if place is None else f"/to/{place}",
            )
        return found

    def by_certificate(self, sha256: str) -> tuple[Agency, Certificate] | None:
        return self._certificates.get(sha256)

    def key(self, kid: str, *, agency: str, use: KeyUse, at: int) -> Key:
        """The agency's key of this use, active and within its dates at `at` (seconds UTC).

        Raises:
            SignatureError: code `key-unknown`; one sentence for every reason, so that nothing is learnt by asking.
        """
        key = self._keys.get((agency, kid))
        if (
            key is None
            or key.use is not use
            or key.state is not KeyState.ACTIVE
            or not key.not_before <= at < key.not_after
        ):
            raise SignatureError(
                Code.KEY_UNKNOWN,
                f"Expected a {use} key of that agency, valid now, found none for this kid "
                f"in directory version {self.ref.version}.",
                advice="Refresh the directory and use the agency's current key.",
            )
        return key

    def wrap_key(self, agency: str, at: int) -> Key:
        """The newest key to wrap to for this agency, valid at `at`.

        Raises:
            SignatureError: code `key-unknown`.
        """
        found = self._agencies.get(agency)
        keys = [
            key
            for key in (found.keys if found else ())
            if key.use is KeyUse.WRAP and key.state is KeyState.ACTIVE and key.not_before <= at < key.not_after
        ]
        if not keys:
            raise SignatureError(
                Code.KEY_UNKNOWN,
                "Expected a wrap key of that agency, valid now, found none.",
                advice="Ask the agency to enrol one.",
            )
        return max(keys, key=lambda key: key.not_before)

    def log(self, gateway: str) -> Log:
        """The ledger of this gateway.

        Raises:
            IntegrityError: code `directory-invalid`.
        """
        for log in self.document.logs:
            if log.gateway == gateway:
                return log
        there = [f"that of {log.gateway}" for log in self.document.logs]
        raise IntegrityError(
            Code.DIRECTORY_INVALID,
            f"Expected the directory to name this gateway's ledger, found {', '.join(there) or 'none'}.",
            advice="Correct `gateway` in the settings; if it is right, have the countries add its ledger.",
        )
