from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from unit.kms.status.bench import StatusBench, status_running


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[StatusBench]:
    async with status_running(tmp_path) as bench:
        yield bench
