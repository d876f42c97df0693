"""Rows of the table of writes: keys of the log that follow one another, logs that do, lines of witnesses."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from fault.kms.write_table import CHECKPOINTS, Row, key_request
from hallmark_tlog.checkpoint import parse_checkpoint
from hallmark_tlog.cosignature import message_to_sign, signature_line
from hallmark_tlog.note import SignatureLine, parse_note
from hallmark_tlog.vkey import KeyType
from kms.log.keys.key_life import LogKeyLife
from kms.log.keys.succession import Succession, find_succession
from kms.log.model import TreeHead
from kms.log.witnesses.cosigned_notes import add_cosignatures
from support.log_world import LogWorld
from support.witnesses import cosigning_key

NEXT: Final = "log.example/next"


@asynccontextmanager
async def _log_world(folder: Path) -> AsyncIterator[LogWorld]:
    world = LogWorld(folder)
    await world.open()
    yield world
    await world.close()


async def _with_entries(world: LogWorld) -> None:
    """More than a tile; some of them wait in the queue."""
    await world.log.prepare()
    await world.act(260)
    await world.log.step()
    await world.act(3)


async def _rotate(world: LogWorld, _: Any, database: Any, _attempt: int) -> None:
    log = world.on_same_data(world.audited, database)
    await log.prepare()
    life = LogKeyLife(database, world.provider, log)
    await life.rotate(request=key_request(), overlap=None, now=world.clock.now())
    await log.close()


async def _rotated(world: LogWorld) -> None:
    await world.log.prepare()
    life = LogKeyLife(world.database, world.provider, world.log)
    await life.rotate(request=key_request(), overlap=None, now=world.clock.now())
    await world.log.step()


async def _retire(world: LogWorld, _: Any, database: Any, _attempt: int) -> None:
    log = world.on_same_data(world.audited, database)
    await log.prepare()
    world.clock.advance(40 * 86_400)
    await world.act()
    await log.step()
    await log.step()
    await log.close()


async def _succeed(world: LogWorld, _: Any, database: Any, _attempt: int) -> None:
    if await world.read(lambda tx: find_succession(tx, NEXT)) is None:
        log = world.on_same_data(world.audited, database)
        await log.prepare()
        await Succession(database, world.provider, log, world.clock).run(NEXT)
        await log.close()


async def _with_a_checkpoint(world: LogWorld) -> tuple[TreeHead, list[SignatureLine]]:
    """And with what a witness answered to it."""
    await _with_entries(world)
    published = await world.log.checkpoint()
    key = cosigning_key("witness.example/w", KeyType.ED25519_COSIGNATURE)
    checkpoint = parse_checkpoint(parse_note(published.note).text)
    time = int(world.clock.now().timestamp())
    signature = key.sign(message_to_sign(key.vkey, checkpoint, timestamp=time))
    return published.head, [signature_line(key.vkey, signature, timestamp=time)]


async def _keep_cosignatures(
    world: LogWorld, state: tuple[TreeHead, list[SignatureLine]], database: Any, _attempt: int
) -> None:
    head, lines = state
    await database.write(lambda tx: add_cosignatures(tx, head, lines))


def _row(run: Any, prepare: Any) -> Row:
    return Row(
        world=_log_world,
        run=run,
        prepare=prepare,
        database=lambda world: world.database,
        harmless=CHECKPOINTS | {"tlog_closed_checkpoint", "com.example.key.used"},
    )


ROWS: Final[dict[str, Row]] = {
    "cosignatures of witnesses": _row(_keep_cosignatures, _with_a_checkpoint),
    "RotateLogKey": _row(_rotate, _with_entries),
    "a key of the log retires": _row(_retire, _rotated),
    "one log follows another": _row(_succeed, _with_entries),
}
