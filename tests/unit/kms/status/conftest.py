from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from kms.core.database import Database
from support.database import fresh_database
from unit.kms.status.bench import StatusBench, status_running


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[StatusBench]:
    async with status_running(tmp_path) as bench:
        yield bench


@pytest.fixture
def database(tmp_path: Path, database_url: str | None) -> Iterator[Database]:
    with fresh_database(tmp_path, database_url) as database:
        yield database
