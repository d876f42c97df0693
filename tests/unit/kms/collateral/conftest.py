from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from unit.kms.collateral.bench import CollateralBench, collateral_running


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[CollateralBench]:
    async with collateral_running(tmp_path) as bench:
        yield bench
