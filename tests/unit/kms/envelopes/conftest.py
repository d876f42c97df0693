from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.envelopes_world import EnvelopesWorld, envelopes_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[EnvelopesWorld]:
    async with envelopes_world(tmp_path) as running:
        yield running
