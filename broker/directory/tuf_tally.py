"""How far the thresholds of a proposal are met: whose keys have signed, and how many more must."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuf.api.metadata import Metadata, Root

from broker.directory.tuf_keys import country_of


@dataclass(frozen=True, slots=True)
class Tally:
    """How far one threshold is met.

    what: `root` or `targets`. version: of what is signed. by: the root version whose keys are counted.
    signed, of: country -> kids of its keys that have signed, and of all of them.
    """

    what: str
    version: int
    by: int
    threshold: int
    signed: Mapping[str, tuple[str, ...]]
    of: Mapping[str, tuple[str, ...]]

    @property
    def count(self) -> int:
        return sum(map(len, self.signed.values()))

    @property
    def missing(self) -> int:
        """How many more must sign."""
        return max(0, self.threshold - self.count)

    @property
    def open(self) -> Mapping[str, int]:
        """Country -> how many of its keys have not signed."""
        left = {country: len(kids) - len(self.signed[country]) for country, kids in self.of.items()}
        return {country: number for country, number in left.items() if number}


def tally(part: Metadata[Any], root: Root) -> Tally:
    """Whose signatures on root or targets metadata verify, among the keys that this root lists for it."""
    name = part.signed.type
    result = root.get_verification_result(name, part.signed_bytes, part.signatures)
    holders = {kid: str(country_of(key)) for kid, key in (result.signed | result.unsigned).items()}
    countries = sorted(set(holders.values()))
    signed, of = (
        {each: tuple(sorted(kid for kid in kids if holders[kid] == each)) for each in countries}
        for kids in (result.signed, holders)
    )
    return Tally(name, part.signed.version, root.version, result.threshold, signed, of)
