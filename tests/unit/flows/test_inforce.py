"""Several gateways on one ledger: what one puts in force binds the others, and no policy goes back and forth."""

import pytest

from broker.errors import CallerError, IntegrityError, UnavailableError
from broker.flows.health import Health
from broker.flows.identify import Identify
from broker.flows.inforce import InForce, under_view
from broker.ledger.port import Basis, Proposal, StaleBasis
from schemas.problem import Code
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
    health = Health(gateway.in_force, gateway.reader, list)
    with pytest.raises(UnavailableError, match="those of another gateway"):
        await health.ready()
    assert (await Health(second, gateway.reader, list).ready())["policy"] == "p2"


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


class Meanwhile:
    """A reader; once it has said what is in force, and before its asker acts on that, something happens."""

    def __init__(self, reader, happens):
        self.reader, self.happens = reader, happens

    def in_force(self):
        found = self.reader.in_force()
        happens, self.happens = self.happens, lambda: None
        happens()
        return found


def put(gateway, version, policy):
    """What a gateway elsewhere commits."""
    entry = {
        "v": "setu1.entry",
        "type": "directory_changed",
        "actor": "in-setu",
        "aud": gateway.in_force.audience.to_object(),
        "directory": {"version": version, "hash": gateway.in_force.view().snapshot.ref.hash},
        "policy": policy,
    }
    proposal = Proposal(entry, once=f"directory/{version}", puts_in_force=Basis(version, policy))
    gateway.ledger.propose(proposal).result(5)


async def test_a_gateway_that_starts_does_not_carry_back_what_came_in_force_while_it_looked(gateway):
    first = gateway.reader.in_force().policy
    reader = Meanwhile(gateway.reader, lambda: put(gateway, 2, first))
    starting = InForce(Directory(gateway.realm), Policy("p2"), gateway.ledger, reader, gateway="in-setu")
    with pytest.raises(IntegrityError, match="version 2 or newer"):
        await starting.start()
    assert gateway.reader.in_force() == Basis(2, first)


async def test_nor_does_one_that_finds_a_newer_directory(gateway):
    second = other(gateway, gateway.realm, Policy("p2"))
    reader = Meanwhile(gateway.reader, lambda: put(gateway, 2, "p2"))
    running = InForce(
        Directory(gateway.realm), gateway.in_force.view().policy, gateway.ledger, reader, gateway="in-setu"
    )
    gateway.realm = gateway.realm.with_(agencies={"us-dea": {"state": "suspended"}})
    running._directory.put(gateway.realm)
    await running.poll()
    assert gateway.reader.in_force() == Basis(2, "p2")
    assert "Expected this gateway's policy in force" in running.trouble
    assert second.view().basis.policy == "p2"


async def test_a_gateway_that_is_behind_the_others_identifies_nobody(gateway):
    """What it does not know of may be a suspension: of an auditor, who would else go on reading the log here."""
    identify = Identify(gateway.in_force, gateway.now)
    put(gateway, 2, gateway.in_force.view().policy.version)
    await gateway.in_force.poll()
    with pytest.raises(UnavailableError):
        identify(b"whoever")
    gateway.realm = gateway.realm.with_(agencies={"in-audit": {"state": "suspended"}})
    gateway.directory.put(gateway.realm)
    await gateway.in_force.poll()
    with pytest.raises(CallerError):
        identify(b"whoever")


class Keys:
    """Asked before a directory comes in force: it `lacks` keys for it, or not."""

    def __init__(self):
        self.lacks, self.said = False, []

    def adopting(self, snapshot):
        if self.lacks:
            raise IntegrityError(Code.CONFIG_INVALID, "Expected keys.", advice="Copy them.")
        self.said.append(("before", snapshot.ref.version))
        return lambda: self.said.append(("in force", snapshot.ref.version))


async def test_a_gateway_that_lacks_keys_for_a_directory_does_not_go_by_it_and_accepts_nothing(gateway):
    keys = Keys()
    policy = gateway.in_force.view().policy
    mine = InForce(gateway.directory, policy, gateway.ledger, gateway.reader, gateway="in-setu", adopting=keys.adopting)
    await mine.start()
    assert keys.said == [("before", 1), ("in force", 1)]
    keys.lacks = True
    gateway.directory.newest = gateway.realm.with_(agencies={"us-dea": {"state": "suspended"}}).snapshot
    await mine.poll()
    assert (mine.view().snapshot.ref.version, mine.behind, mine.trouble) == (1, True, "Expected keys.")
    assert gateway.reader.in_force().directory == 1
    with pytest.raises(UnavailableError):
        Identify(mine, gateway.now)(None)
    with pytest.raises(UnavailableError, match="Copy them"):
        await Health(mine, gateway.reader, list).ready()
    keys.lacks = False
    await mine.poll()
    assert (mine.view().snapshot.ref.version, mine.behind, mine.lacking, mine.trouble) == (2, False, None, None)
    assert keys.said[2:] == [("before", 2), ("in force", 2)]
    assert (await Health(mine, gateway.reader, lambda: ["a+b"]).ready())["log_keys"] == ["a+b"]


async def test_a_gateway_that_lacks_keys_at_start_does_not_start(gateway):
    keys = Keys()
    keys.lacks = True
    policy = gateway.in_force.view().policy
    mine = InForce(gateway.directory, policy, gateway.ledger, gateway.reader, gateway="in-setu", adopting=keys.adopting)
    with pytest.raises(IntegrityError, match="Expected keys"):
        await mine.start()
