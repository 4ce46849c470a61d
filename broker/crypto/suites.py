"""The two suites of the format. A realm fixes one; nothing is negotiated (schemas/spec/packet.md)."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from schemas.packet import SuiteName


@dataclass(frozen=True, slots=True)
class Suite:
    """Algorithm names and exact sizes in bytes. `signature_sizes`: classical, then post-quantum."""

    name: SuiteName
    classical: str
    post_quantum: str
    wrap: str
    ek_size: int
    signature_sizes: tuple[int, int]

    @property
    def signatures(self) -> tuple[str, str]:
        """The two signature algorithms, in the order they stand in a packet."""
        return (self.classical, self.post_quantum)


SUITES: Mapping[SuiteName, Suite] = MappingProxyType(
    {
        SuiteName.HYBRID_768: Suite(SuiteName.HYBRID_768, "Ed25519", "ML-DSA-65", "HPKE-9-KE", 1120, (64, 3309)),
        SuiteName.HYBRID_1024: Suite(SuiteName.HYBRID_1024, "ES384", "ML-DSA-87", "HPKE-10-KE", 1665, (96, 4627)),
    }
)
CONTENT_KEY_SIZE = 32
ENCRYPTED_KEY_SIZE = CONTENT_KEY_SIZE + 16
IV_SIZE = 12
TAG_SIZE = 16
