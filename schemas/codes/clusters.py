"""Chemical clusters: precursors that serve the same illicit manufacture (`clusters.tsv`)."""

from collections.abc import Mapping
from types import MappingProxyType

from schemas.codes.lists import rows
from schemas.codes.substances import by_name

CLUSTERS: Mapping[str, str] = MappingProxyType({row["cas"]: row["cluster"] for row in rows("clusters")})
"""CAS number -> cluster."""


def cluster_of(name: str, cas: str | None) -> str | None:
    """The cluster of a substance, by its CAS number, or by its name where that is listed; None for all others."""
    if cas is None:
        listed = by_name(name)
        cas = listed.cas if listed is not None else ""
    return CLUSTERS.get(cas)
