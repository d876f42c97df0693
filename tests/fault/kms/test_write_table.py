"""The table of every write x {failed, failed but stored}, complete by construction.

What writes is found in the source (support.database_writers); what a row reaches is watched while it runs. A new
function that writes and that no row reaches fails the first test.
"""

from pathlib import Path

import pytest

from fault.kms.revocation.flaky import Fault
from fault.kms.write_rows import ROWS
from support.database_writers import database_writers


async def test_every_function_that_writes_is_in_the_table(tmp_path: Path) -> None:
    ran = set()
    for number, row in enumerate(ROWS.values()):
        _, watched = await row.live(tmp_path / str(number))
        ran |= watched.ran
    writers = database_writers()
    assert len(writers) > 40, "the finder finds them"
    missing = [writer.name for writer in writers.values() if (writer.file, writer.line) not in ran]
    assert missing == [], "they write, and no row of fault.kms.write_rows runs them: add one"


@pytest.mark.parametrize("name", ROWS)
async def test_every_write_of(name: str, tmp_path: Path) -> None:
    row = ROWS[name]
    expected, watched = await row.live(tmp_path / "without")
    assert watched.writes >= 1
    for at in range(watched.writes):
        for fault in Fault:
            found, _ = await row.live(tmp_path / f"{at}-{fault.name}", *[None] * at, fault)
            assert found == expected, f"write {at} of {watched.writes}: {fault.value}"
