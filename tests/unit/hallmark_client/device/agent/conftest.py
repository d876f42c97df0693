from collections.abc import Iterator
from pathlib import Path

import pytest

from unit.hallmark_client.device.agent.agent_world import AgentWorld


@pytest.fixture
def world(tmp_path: Path) -> Iterator[AgentWorld]:
    world = AgentWorld(tmp_path)
    yield world
    world.close()
