"""Rows of the table of writes: sessions and calls that were counted, signatures, and what is old."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from fault.kms.write_table import CHECKPOINTS, Row
from kms.audit import signature_store
from kms.audit.flushing import Flusher, Kept
from kms.audit.recorder import Recorder
from kms.audit.signature_counter import SignatureCounter
from kms.log.entries.indexer import Indexer
from support.keys_world import KeysWorld, keys_world
from support.randomness import SeededRandomness
from unit.kms.audit.bench import KEY, make_call, make_certificate

_PEM: Final = make_certificate()


@dataclass
class _World:
    made: KeysWorld
    flusher: Flusher

    @property
    def database(self) -> Any:
        return self.made.world.database

    def on(self, database: Any) -> Flusher:
        self.flusher.database = self.flusher.signatures.database = database
        return self.flusher

    def call(self, port: int) -> None:
        call = make_call(port=port, now=self.made.world.clock.now())
        session, facts = self.flusher.recorder.admitted(call, _PEM)
        self.flusher.recorder.finished(call, session, facts, (KEY,), now=call.now, moved=1, refused=False, allowed=True)


@contextlib.asynccontextmanager
async def _world(folder: Path) -> AsyncIterator[_World]:
    async with keys_world(folder) as made:
        days = Kept(sessions=timedelta(days=30), signatures=timedelta(days=30), sessions_max=1000)
        database = made.world.database
        counter = SignatureCounter(database, made.world.log.origin)
        recorder = Recorder(SeededRandomness())
        yield _World(
            made,
            Flusher(
                recorder=recorder,
                database=database,
                signatures=counter,
                clock=made.world.clock,
                kept=days,
                interval_seconds=1,
            ),
        )


async def _with_signatures(world: _World) -> None:
    """Counted in part: the place is moved on, too."""
    await world.made.create()
    await world.made.sign(b"a")
    await _index(world)
    await world.flusher.flush()
    await world.made.sign(b"b")
    await _index(world)


async def _index(world: _World) -> None:
    await world.made.world.log.step()
    await Indexer(world.database, world.made.world.log).catch_up()


async def _flush(world: _World, _: Any, database: Any, attempt: int) -> None:
    """What was counted once and could not be written goes with the next flush."""
    if attempt == 0:
        world.call(1)
        world.call(2)
    await world.on(database).flush()


async def _with_what_is_old(world: _World) -> None:
    world.call(1)
    hour = world.made.world.clock.now()
    old = {("default", hour, "ML-DSA-65"): 1}
    await world.database.write(lambda tx: signature_store.add(tx, origin="before", before=0, size=1, found=old))
    await world.flusher.flush()
    world.made.world.clock.advance(40 * 86400)


async def _prune(world: _World, _: Any, database: Any, _attempt: int) -> None:
    await world.on(database).prune()


def _row(run: Any, prepare: Any) -> Row:
    return Row(world=_world, run=run, prepare=prepare, database=lambda world: world.database, harmless=CHECKPOINTS)


ROWS: Final[dict[str, Row]] = {
    "calls, sessions and signatures are counted": _row(_flush, _with_signatures),
    "what was counted long ago goes": _row(_prune, _with_what_is_old),
}
