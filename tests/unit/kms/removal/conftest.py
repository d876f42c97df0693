from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from unit.kms.removal.bench import RemovalBench, removals_running


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[RemovalBench]:
    async with removals_running(tmp_path) as bench:
        yield bench
