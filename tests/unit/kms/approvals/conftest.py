from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.approvals_world import ApprovalsWorld, approvals_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApprovalsWorld]:
    async with approvals_world(tmp_path) as running:
        yield running
