"""Chemical clusters."""

import pytest

from schemas.codes.clusters import CLUSTERS, cluster_of
from schemas.codes.lists import rows
from schemas.codes.substances import SUBSTANCES, by_cas


def test_every_substance_of_the_1988_tables_is_in_one_cluster_and_named_as_the_list_names_it() -> None:
    found = rows("clusters")
    assert len({row["cas"] for row in found}) == len(found)
    assert {each.cas for each in SUBSTANCES if each.control.startswith("1988")} == set(CLUSTERS)
    assert [row["cas"] for row in found if (listed := by_cas(row["cas"])) is None or listed.name != row["name"]] == []


@pytest.mark.parametrize(
    ("name", "cas", "cluster"),
    [
        pytest.param("Anything", "39742-60-4", "fentanyl", id="by-number"),
        pytest.param("phenylacetone", None, "p2p", id="by-synonym"),
        pytest.param("Tramadol", "27203-92-5", None, id="no-precursor"),
        pytest.param("Something new", None, None, id="not-listed"),
    ],
)
def test_cluster_of(name: str, cas: str | None, cluster: str | None) -> None:
    assert cluster_of(name, cas) == cluster
