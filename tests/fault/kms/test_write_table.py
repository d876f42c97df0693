"""The table of every write x {failed, failed but stored}, complete by construction.

What writes is found in the source (support.database_writers); what a row reaches is watched while it runs. A new
function that writes and that no row reaches fails the first test.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from fault.kms.revocation.flaky import Fault
from fault.kms.write_rows import ROWS
from fault.kms.write_table import Outcome, WatchedDatabase
from support.database_writers import database_writers

FaultFree: TypeAlias = Callable[[str], Awaitable[tuple[Outcome, WatchedDatabase]]]


@pytest.fixture(scope="module")
def without_faults(tmp_path_factory: pytest.TempPathFactory) -> FaultFree:
    """What a row comes to when nothing fails: done once for both tests."""
    known: dict[str, tuple[Outcome, WatchedDatabase]] = {}

    async def live(name: str) -> tuple[Outcome, WatchedDatabase]:
        if name not in known:
            known[name] = await ROWS[name].live(tmp_path_factory.mktemp("row") / "home")
        return known[name]

    return live


async def test_every_function_that_writes_is_in_the_table(without_faults: FaultFree) -> None:
    ran = set()
    for name in ROWS:
        _, watched = await without_faults(name)
        ran |= watched.ran
    writers = database_writers()
    assert len(writers) > 40, "the finder finds them"
    missing = [writer.name for writer in writers.values() if (writer.file, writer.line) not in ran]
    assert missing == [], "they write, and no row of fault.kms.write_rows runs them: add one"


@pytest.mark.parametrize("name", ROWS)
async def test_every_write_of(name: str, without_faults: FaultFree, tmp_path: Path) -> None:
    row = ROWS[name]
    expected, watched = await without_faults(name)
    assert watched.writes >= 1
    for at in range(watched.writes):
        for fault in Fault:
            found, _ = await row.live(tmp_path / f"{at}-{fault.name}", *[None] * at, fault)
            assert found == expected, f"write {at} of {watched.writes}: {fault.value}"
