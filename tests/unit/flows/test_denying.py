"""A deny list handed in: read strictly, from whom it may come, kept one at a time, and answered once it is in force."""

import asyncio

import pytest

from broker.errors import SetuError
from broker.flows.denying import MOST_BYTES, Kept, PutDenyList
from broker.flows.identify import Identify
from schemas.canonical import canonical
from schemas.deny import SignedDenyList
from schemas.problem import Code
from tests.unit.flows.test_deny import denial, listed, put


class Keeper:
    """Puts what it is given where the directory's source finds it; `behind`: it does not."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.kept = []
        self.behind = False
        self.inside = 0
        self.most = 0

    def keep(self, made):
        self.inside += 1
        self.most = max(self.most, self.inside)
        fresh = made not in self.kept
        self.kept.append(made)
        version = made.metadata["version"]
        if not self.behind:
            put(self.gateway, listed(self.gateway.realm, made.document.list, *made.document.denials, version=version))
        self.inside -= 1
        return Kept(version, 1_790_000_000.5, fresh)


@pytest.fixture
def keeper(gateway):
    return Keeper(gateway)


@pytest.fixture
def put_list(gateway, keeper):
    return PutDenyList(gateway.in_force, keeper)


def caller(gateway, agency):
    return Identify(gateway.in_force, gateway.now)(gateway.realm.client(agency))


def signed(gateway, name="USA", *denials, version=2):
    document = listed(gateway.realm, name, *denials).document
    return SignedDenyList(metadata={"version": version}, document=document).canonical()


async def refused(put_list, who, raw):
    with pytest.raises(SetuError) as caught:
        await put_list(who, raw)
    return caught.value.code


async def test_it_is_in_force_when_it_is_answered(gateway, put_list):
    raw = signed(gateway, "USA", denial("us-cbp"))
    standing, fresh = await put_list(caller(gateway, "us-dea"), raw)
    place = listed(gateway.realm, "USA", denial("us-cbp")).places[-1]
    assert standing.to_object() == {"list": "USA", "version": 2, "serial": 1, "hash": place.hash, "expires": 1_790_000_000}  # fmt: skip
    assert fresh
    assert gateway.in_force.view().snapshot.agency("us-cbp").state == "suspended"
    assert await put_list(caller(gateway, "us-audit"), raw) == (standing, False)


async def test_what_this_gateway_does_not_go_by_yet_is_not_said_to_be_in_force(gateway, put_list, keeper):
    keeper.behind = True
    assert await refused(put_list, caller(gateway, "us-dea"), signed(gateway)) is Code.UNAVAILABLE


@pytest.mark.parametrize(
    ("agency", "name", "code"),
    [
        pytest.param("in-ncb", "USA", Code.FORBIDDEN, id="an-agency-of-another-country"),
        pytest.param("in-audit", "USA", Code.FORBIDDEN, id="an-auditor-of-another-country"),
        pytest.param("us-dea", "operator", Code.FORBIDDEN, id="the-operators"),
        pytest.param("in-setu", "IND", Code.FORBIDDEN, id="the-gateway-itself-for-its-country"),
        pytest.param("in-setu", "operator", None, id="the-operator-for-its-own"),
        pytest.param("in-audit", "IND", None, id="an-auditor"),
        pytest.param("in-ncb", "IND", None, id="an-agency"),
    ],
)
async def test_from_whom_it_may_come(gateway, put_list, keeper, agency, name, code):
    who, raw = caller(gateway, agency), signed(gateway, name)
    if code is None:
        assert (await put_list(who, raw))[1]
    else:
        assert await refused(put_list, who, raw) is code
    assert len(keeper.kept) == (code is None)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        pytest.param(b"", Code.JSON_INVALID, id="empty"),
        pytest.param(b'{"v":"setu1.signed-deny","v":"setu1.signed-deny"}', Code.JSON_INVALID, id="a-name-twice"),
        pytest.param(b"{}", Code.SCHEMA, id="no-members"),
        pytest.param(canonical({"v": "setu1.signed-deny", "metadata": [], "document": {}}), Code.SCHEMA, id="others"),
        pytest.param(b" " * (MOST_BYTES + 1), Code.TOO_LARGE, id="too-large"),
    ],
)
async def test_what_is_no_list(gateway, put_list, keeper, raw, code):
    assert await refused(put_list, caller(gateway, "us-dea"), raw) is code
    assert keeper.kept == []


async def test_that_one_is_long_keeps_nobody_else_waiting(gateway, put_list):
    raw = canonical({"v": "setu1.signed-deny", "metadata": {"a": [{"b": n} for n in range(80_000)]}, "document": {}})
    asked = asyncio.create_task(put_list(caller(gateway, "us-dea"), raw))
    turns = 0
    while not asked.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert isinstance(asked.exception(), SetuError)
    assert turns > 3, "the event loop went on meanwhile"


async def test_one_at_a_time(gateway, put_list, keeper):
    who = caller(gateway, "us-dea")
    await asyncio.gather(*(put_list(who, signed(gateway, version=2 + n)) for n in range(5)))
    assert (keeper.most, len(keeper.kept)) == (1, 5)
