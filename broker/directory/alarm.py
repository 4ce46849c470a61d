"""Two directories of one version: the operator, who signs the newest state, is showing readers different ones."""

from broker.directory.lookup import Snapshot
from broker.directory.port import DirectorySource
from broker.errors import IntegrityError
from schemas.directory import DirectoryRef
from schemas.problem import Code


def check_same(held: DirectoryRef, shown: DirectoryRef) -> None:
    """Refuse another hash for a version that is held.

    Raises:
        IntegrityError: code `directory-invalid`.
    """
    if held.version == shown.version and held.hash != shown.hash:
        raise IntegrityError(
            Code.DIRECTORY_INVALID,
            f"Expected directory version {held.version} with the hash held for it, found another hash: "
            "two directories of one version are being shown.",
            advice="Stop, keep both, and compare fingerprints with the other agencies by another channel.",
        )


def snapshot_of(source: DirectorySource, ref: DirectoryRef) -> Snapshot:
    """The directory that a ledger entry names; looks for a newer version where the entry's is not held yet.

    Raises:
        IntegrityError: code `directory-invalid`; not held, not verified, or the alarm: held with another hash.
        UnavailableError: the version is not held and the repository cannot be read now.
    """
    if ref.version > source.current().ref.version:
        source.refresh()
    snapshot = source.at(ref.version)
    check_same(snapshot.ref, ref)
    return snapshot
