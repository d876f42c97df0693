from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from unit.kms.revocation.bench import Bench, running


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with running(tmp_path) as bench:
        yield bench
