from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from unit.kms.access.bench import AccessBench, access_running


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[AccessBench]:
    async with access_running(tmp_path) as bench:
        yield bench
