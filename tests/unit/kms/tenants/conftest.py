from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from unit.kms.tenants.bench import TenantBench, tenants_running


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[TenantBench]:
    async with tenants_running(tmp_path) as bench:
        yield bench
