from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from unit.kms.artifacts.bench import ArtifactBench, artifacts_running


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[ArtifactBench]:
    async with artifacts_running(tmp_path) as bench:
        yield bench
