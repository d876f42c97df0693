from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.log_world import LogWorld
from unit.kms.events.bench import Replica, event_world, replica_of


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[LogWorld]:
    async with event_world(tmp_path) as world:
        yield world


@pytest.fixture
async def replica(world: LogWorld) -> AsyncIterator[Replica]:
    async with replica_of(world) as replica:
        yield replica
