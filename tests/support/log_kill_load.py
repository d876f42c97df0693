"""The life of a log's process that will be killed: it appends in every way a log knows, and writes down what it got.

Lines of the journal: `up`, `try KIND KEY`, `ack KEY INDEX LEAF SIZE ROOT` (size and root of the proof's checkpoint, `-`
for an answer with a place only), `proof KEY ENTRY PROOF` (base64, of some), `frozen ...`, `wrong ...`, `away ...`.
"""

import asyncio
import base64
import os
import random
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import pytest
import sqlalchemy as sa

from kms.core.clock import SystemClock
from kms.core.errors import DeadlineExceeded, ResourceExhausted, ServiceError, Unavailable
from kms.log.errors import LogFrozen
from kms.log.memory.guard_token import GuardToken
from kms.log.memory.remembered import Memory
from kms.log.model import LogEntry, LogPromise, LogSettings, promise_of
from kms.log.rounds.sequencing import DirectEntry
from kms.log.service import TransparencyLog
from support.log_kill_points import DyingDatabase, DyingFileProvider, DyingFolder, DyingGuardFile, DyingSoftHsm, Point

ORIGIN: Final = "log.example/killed-at-will"
EVENT: Final = "com.example.key.used"
BATCH_MAX: Final = 300
_PROOFS: Final = 0.03
_PASSING: Final = Unavailable, DeadlineExceeded, ResourceExhausted
ACTS: Final = sa.Table("kill_act", sa.MetaData(), sa.Column("event_key", sa.String(64), primary_key=True))
"""The business of which the log records every act, in one transaction with it."""


@dataclass(slots=True, kw_only=True)
class Life:
    """One process of the log, from its start to its death. `retries`: (kind, event key) of an earlier life's tries."""

    url: str
    token: str
    guard_file: str
    public: str
    journal: str
    seed: int
    point: tuple[str, int, float, str]
    """The fields of `Point`."""
    retries: list[tuple[str, str]] = field(default_factory=list)
    softhsm: bool = False
    """`token` is its folder; it remembers checkpoints, too. Otherwise `token` is a file."""
    finishes: bool = False
    """It only does the retries, publishes and ends well."""
    refresh_seconds: float = 1.0
    clock_ahead_seconds: float = 0.0


class Journal:
    """Lines that a SIGKILL leaves whole, but for the last."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, *words: object) -> None:
        line = " ".join(str(word).replace("\n", " ") for word in words)
        os.write(self._file, f"{line}\n".encode())


class Load:
    """What callers do, on one log, until the process dies."""

    def __init__(self, life: Life, patch: pytest.MonkeyPatch) -> None:
        self.life = life
        self.journal = Journal(life.journal)
        random.seed(life.seed)
        self.chance = random.Random(life.seed)
        self.point = Point(*life.point)
        self._clock = ShiftedClock(life.clock_ahead_seconds)
        self.database = DyingDatabase(life.url, self.point, patch)
        self.provider = (DyingSoftHsm if life.softhsm else DyingFileProvider)(Path(life.token), self.point)
        memories: list[Memory] = [DyingGuardFile(Path(life.guard_file), self.point)]
        if life.softhsm:
            memories.append(GuardToken(self.provider, self._clock, interval_seconds=0.1))
        self.log = TransparencyLog(
            database=self.database,
            provider=self.provider,
            public_files=DyingFolder(Path(life.public), self.point),
            clock=self._clock,
            settings=LogSettings(
                origin=ORIGIN,
                min_checkpoint_interval_seconds=0.01,
                calm_checkpoint_interval_seconds=0.05,
                refresh_seconds=life.refresh_seconds,
                poll_seconds=0.1,
            ),
            memories=memories,
        )

    async def start(self) -> None:
        """A database that is away is waited for, as whoever restarts services does."""
        await self.provider.start()
        while True:
            try:
                await self.log.start()
            except Unavailable as error:
                self.journal.write("away", error)
                await asyncio.sleep(0.1)
            else:
                self.journal.write("up")
                return

    async def until_answered(self, work: Callable[[], Awaitable[None]]) -> None:
        """Tries again what a caller would."""
        while True:
            try:
                await work()
            except LogFrozen as error:
                self.journal.write("frozen", error)
                raise
            except _PASSING as error:
                self.journal.write("away", type(error).__name__, error)
                await asyncio.sleep(0.05)
            except ServiceError as error:
                self.journal.write("wrong", type(error).__name__, error)
                raise
            else:
                return

    async def record(self, key: str) -> None:
        """An act with its entry in one transaction; one that was done before only waits for its proof."""
        promise = promise_of(key, self._entry(key))
        is_new = await self.database.write(partial(self._act, promise=promise))
        confirmed = await self.log.confirm(promise, published=True)
        self.point.reach("answer")
        assert confirmed.leaf_index is not None
        leaf = confirmed.leaf_hash.hex() if is_new else "-"  # what an earlier life recorded has its bytes
        self._acknowledge(key, confirmed.leaf_index, leaf, confirmed.tlog_proof, promise.entry if is_new else None)

    def _act(self, tx: sa.Connection, promise: LogPromise) -> bool:
        done = tx.execute(sa.select(ACTS.c.event_key).where(ACTS.c.event_key == promise.event_key)).first()
        if done is not None:
            return False
        tx.execute(ACTS.insert().values(event_key=promise.event_key))
        self.log.record_promised(tx, [promise])
        return True

    async def append(self, keys: list[str], *, published: bool) -> None:
        promises = [promise_of(key, self._entry(key)) for key in keys]
        earlier, receipts = await self.log.append([DirectEntry(promise) for promise in promises], published=published)
        self.point.reach("answer")
        for promise in promises:
            key = promise.event_key
            promise = promise_of(key, earlier[key].data) if key in earlier else promise  # noqa: PLW2901
            receipt = receipts[key]
            self._acknowledge(key, receipt.leaf_index, promise.leaf_hash.hex(), receipt.tlog_proof, promise.entry)

    def _acknowledge(self, key: str, index: int, leaf: str, proof: bytes | None, entry: bytes | None) -> None:
        size, root = ("-", "-") if proof is None else proof.partition(b"\n\n")[2].decode().split("\n", 3)[1:3]
        self.journal.write("ack", key, index, leaf, size, root)
        if proof is not None and entry is not None and self.chance.random() < _PROOFS:
            self.journal.write("proof", key, base64.b64encode(entry).decode(), base64.b64encode(proof).decode())

    def _entry(self, key: str) -> bytes:
        """Another one each time: the first that was stored counts."""
        return LogEntry(key, EVENT, "default", "tenants/default/keys/a", self._clock.now(), {"n": 1}).encode()

    async def retry(self) -> None:
        """All at once, singly and together."""
        singles = [key for kind, key in self.life.retries if kind == "record"]
        others = [key for kind, key in self.life.retries if kind != "record"]
        half = len(others) // 2
        work: list[Callable[[], Awaitable[None]]] = [partial(self.record, key) for key in singles]
        work += [partial(self.append, [key], published=True) for key in others[:half]]
        batches = [others[start : start + BATCH_MAX] for start in range(0, len(others), BATCH_MAX)]
        work += [partial(self.append, batch, published=True) for batch in batches]  # some of them twice at a time
        await asyncio.gather(*(self.until_answered(each) for each in work))

    async def keep_recording(self) -> None:
        while True:
            key = str(uuid.uuid4())
            self.journal.write("try", "record", key)
            await self.until_answered(partial(self.record, key))
            await asyncio.sleep(self.chance.uniform(0, 0.02))

    async def keep_appending(self, *, published: bool, batch_max: int) -> None:
        while True:
            keys = [str(uuid.uuid4()) for _ in range(self.chance.randint(1, batch_max))]
            for key in keys:
                self.journal.write("try", "append", key)
            await self.until_answered(partial(self.append, keys, published=published))
            await asyncio.sleep(self.chance.uniform(0, 0.02) * (1 + batch_max / 10))

    async def run(self) -> None:
        await self.start()
        retrying = self.retry()
        if self.life.finishes:
            await retrying
            await self.log.close()
            await self.provider.close()
            self.database.close()
            return
        await asyncio.gather(
            retrying,
            *(self.keep_recording() for _ in range(4)),
            *(self.keep_appending(published=True, batch_max=1) for _ in range(3)),
            *(self.keep_appending(published=False, batch_max=1) for _ in range(2)),
            self.keep_appending(published=True, batch_max=BATCH_MAX),
            self.keep_appending(published=False, batch_max=20),
        )


class ShiftedClock(SystemClock):
    def __init__(self, ahead_seconds: float) -> None:
        self._ahead = timedelta(seconds=ahead_seconds)

    def now(self) -> datetime:
        return super().now() + self._ahead


def live(life: Life) -> None:
    """Returns only when the life finishes well."""
    began = time.monotonic()
    with pytest.MonkeyPatch.context() as patch:
        load = Load(life, patch)
        try:
            asyncio.run(load.run())
        except BaseException as error:
            load.journal.write("wrong", type(error).__name__, error, f"after {time.monotonic() - began:.1f} s")
            raise
