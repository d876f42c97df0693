from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from unit.kms.events.bench import Replica, event_world, replica_of


@pytest.fixture
async def replica(tmp_path: Path) -> AsyncIterator[Replica]:
    async with event_world(tmp_path) as world, replica_of(world) as running:
        yield running
