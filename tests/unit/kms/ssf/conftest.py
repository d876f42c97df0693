from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from unit.kms.ssf.bench import SsfBench, ssf_running


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[SsfBench]:
    async with ssf_running(tmp_path) as running:
        yield running


@pytest.fixture
async def token(bench: SsfBench) -> str:
    return (await bench.receiver()).token
