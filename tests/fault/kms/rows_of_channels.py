"""Rows of the table of writes: what classical sessions have moved, and hours that count no more."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from fault.kms.write_table import Row
from kms.core.database import Database
from kms.server.channel_account import HOURS_COUNTED, hour_of
from kms.server.channel_use import ClassicalUse
from kms.server.channel_use_store import add_use
from support.clock import START, FakeClock
from support.database import fresh_database
from unit.kms.server.channel_bench import entry_of, make_call

_OLD: Final = hour_of(START - timedelta(hours=HOURS_COUNTED))


@dataclass
class _World:
    database: Database
    use: ClassicalUse


@contextlib.asynccontextmanager
async def _world(folder: Path) -> AsyncIterator[_World]:
    with fresh_database(folder) as database:
        yield _World(database, ClassicalUse(database, FakeClock(), interval_seconds=3))


async def _with_an_old_hour(world: _World) -> None:
    await world.database.write(lambda tx: add_use(tx, {make_call().caller.spiffe_id: {_OLD: 1}}))


async def _flush(world: _World, _: Any, database: Any, attempt: int) -> None:
    """Two callers, once. What a failed commit did not store is kept and goes with the next."""
    world.use._database = database
    if attempt == 0:
        for name in ("a", "b"):
            entry = entry_of(make_call(name=name), received=100)
            world.use.admitted(entry, {})
            world.use.finished(entry, "OK", "")
    await world.use.flush()


ROWS: Final[dict[str, Row]] = {
    "use of classical sessions": Row(
        world=_world, run=_flush, prepare=_with_an_old_hour, database=lambda world: world.database
    ),
}
