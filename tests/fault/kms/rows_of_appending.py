"""Rows of the table of writes: events of callers, with salts that must commit with them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from fault.kms.write_table import CHECKPOINTS, REQUEST_ID, Row
from kms.log.appending.appending import Appended, AppendService, AppendWait, Event
from support.append_world import event
from support.log_world import LogWorld
from support.randomness import SeededRandomness


@asynccontextmanager
async def _log_world(folder: Path) -> AsyncIterator[LogWorld]:
    world = LogWorld(folder)
    await world.open()
    yield world
    await world.close()


async def _with_entries(world: LogWorld) -> None:
    """The next ones complete a tile. One of them waits in the queue."""
    await world.log.prepare()
    await world.act(255)
    await world.log.step()
    await world.act(1)


def _events(request_ids: list[str]) -> list[Event]:
    return [event(request_id, personal={"who": "Ada"}, person="p-1", facts={"a": "b"}) for request_id in request_ids]


async def _append_some(world: LogWorld, database: Any, attempt: int, events: list[Event]) -> None:
    log = world.on_same_data(world.audited, database)
    await log.prepare()
    service = AppendService(database, log, SeededRandomness(attempt))
    appending = asyncio.create_task(service.append_many(events, now=world.clock.now(), wait=AppendWait.SEQUENCED))
    while not log._sequencer._pending:  # noqa: ASYNC110 - nothing runs by itself: the step takes what waits
        await asyncio.sleep(0)
    outcomes, step = await asyncio.gather(appending, log.step(), return_exceptions=True)
    await log.close()
    for failure in (outcomes, step):
        if isinstance(failure, BaseException):
            raise failure
    assert all(isinstance(outcome, Appended) and outcome.salts for outcome in outcomes)


async def _append(world: LogWorld, _: Any, database: Any, attempt: int) -> None:
    await _append_some(world, database, attempt, _events([REQUEST_ID]))


async def _append_batch(world: LogWorld, _: Any, database: Any, attempt: int) -> None:
    others = [f"{REQUEST_ID[:-2]}{number}" for number in range(20, 30)]
    await _append_some(world, database, attempt, _events([REQUEST_ID, *others, REQUEST_ID]))


def _row(run: Any) -> Row:
    return Row(
        world=_log_world,
        run=run,
        prepare=_with_entries,
        database=lambda world: world.database,
        harmless=CHECKPOINTS,
    )


ROWS: Final[dict[str, Row]] = {"AppendEntry": _row(_append), "BatchAppendEntries": _row(_append_batch)}
