from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from unit.kms.appraisal.bench import AppraisalBench, appraisal_running


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[AppraisalBench]:
    async with appraisal_running(tmp_path) as bench:
        yield bench
