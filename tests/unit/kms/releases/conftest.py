from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from unit.kms.releases.bench import ReleaseBench, releases_running


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[ReleaseBench]:
    async with releases_running(tmp_path) as bench:
        yield bench
