"""Several gateways on one ledger: what one puts in force binds the others, and no policy goes back and forth."""

import pytest

from broker.errors import IntegrityError, UnavailableError
from broker.flows.health import Health
from broker.flows.inforce import InForce, under_view
from broker.ledger.port import Basis, StaleBasis
from tests.unit.flows.world import Directory


class Policy:
    """As much of a policy as being in force takes."""

    def __init__(self, version):
        self.version = version


def other(gateway, realm, policy=None):
    """A second gateway's view over the same ledger."""
    policy = policy or gateway.in_force.view().policy
    return InForce(Directory(realm), policy, gateway.ledger, gateway.reader, gateway=realm.gateway)


async def test_a_second_gateway_of_the_same_mind_changes_nothing(gateway):
    before = gateway.reader.head()
    await other(gateway, gateway.realm).start()
    assert gateway.reader.head() == before


async def test_a_gateway_with_another_policy_puts_it_in_force_and_the_first_waits_to_be_started_again(gateway):
    second = other(gateway, gateway.realm, Policy("p2"))
    await second.start()
    assert gateway.reader.in_force() == second.view().basis == Basis(gateway.in_force.view().basis.directory, "p2")

    async def stale(view):
        raise StaleBasis

    with pytest.raises(UnavailableError):
        await under_view(gateway.in_force, stale)
    health = Health(gateway.in_force, gateway.reader, lambda: None)
    with pytest.raises(UnavailableError, match="those of another gateway"):
        await health.ready()
    assert (await Health(second, gateway.reader, lambda: None).ready())["policy"] == "p2"


async def test_a_newer_directory_does_not_carry_an_old_policy_back(gateway):
    await other(gateway, gateway.realm, Policy("p2")).start()
    await gateway.change(us_dea={"state": "suspended"})
    assert "Expected this gateway's policy in force" in gateway.in_force.trouble
    assert gateway.reader.in_force().policy == "p2"


async def test_a_gateway_that_starts_with_an_older_directory_does_not(gateway):
    behind = other(gateway, gateway.realm)
    await gateway.change(us_dea={"state": "suspended"})
    with pytest.raises(IntegrityError, match="or newer"):
        await behind.start()
