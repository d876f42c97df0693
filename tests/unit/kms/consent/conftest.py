from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from unit.kms.consent.bench import ConsentBench, consents_running


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[ConsentBench]:
    async with consents_running(tmp_path) as bench:
        yield bench
