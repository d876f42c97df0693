from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from unit.kms.devices.bench import DeviceBench, devices_running


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[DeviceBench]:
    async with devices_running(tmp_path) as bench:
        yield bench
