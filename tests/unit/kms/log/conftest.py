"""A log on a fresh database with audited public files, prepared but not running: tests take the steps."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.log_world import LogWorld


@pytest.fixture
async def bare_world(tmp_path: Path) -> AsyncIterator[LogWorld]:
    """Not prepared: no keys, no state row."""
    world = LogWorld(tmp_path)
    await world.open()
    yield world
    await world.close()


@pytest.fixture
async def world(bare_world: LogWorld) -> LogWorld:
    await bare_world.log.prepare()
    return bare_world
