import pytest_asyncio

from tests.unit.flows.world import world


@pytest_asyncio.fixture
async def gateway(tmp_path):
    async with world(tmp_path) as made:
        yield made
