"""Where a directory comes from: a repository read live by the gateway, or a gateway asked by an agency's program."""

from typing import Protocol

from broker.directory.lookup import Snapshot


class DirectorySource(Protocol):
    """Verified directories. Safe to call from several threads."""

    @property
    def realm(self) -> str:
        """base64url SHA-384 of the first TUF root's bytes: the identity of the realm."""
        ...

    def current(self) -> Snapshot:
        """The version in force. Cheap; does not refresh.

        Raises:
            IntegrityError: code `directory-invalid`; nothing verified is held.
        """
        ...

    def at(self, version: int) -> Snapshot:
        """An earlier version that was in force.

        Raises:
            IntegrityError: code `directory-invalid`; this version is not held or does not verify.
        """
        ...

    def refresh(self) -> Snapshot:
        """Look for a newer version and verify it; return the one then in force.

        Raises:
            IntegrityError: code `directory-invalid`: too few signatures, rolled back, expired, mixed. What was in
                force stays so.
            UnavailableError: the repository cannot be read now.
        """
        ...
