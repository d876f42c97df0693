"""One row of the table of writes x {failed, failed but stored}, and how it is run.

A row is an act on a database. It is done once without a fault, then with each of its writes failing in each way and
done again by the same call: what is in the database afterwards has to be the same.
"""

import asyncio
import contextlib
import json
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final, TypeAlias

import sqlalchemy as sa

from fault.kms.revocation.flaky import ConnectionLost, Fault, FlakyDatabase
from kms.core.database import Database, metadata
from kms.core.idempotency import RequestKey
from support.keys_world import ADMIN

REQUEST_ID: Final = "6b1f6a0e-58cf-4d0a-9a8e-3f4f6f0c1d11"
"""Of both attempts of an act."""
CHECKPOINTS: Final = frozenset({"tlog_checkpoint"})
BUNDLES: Final = CHECKPOINTS | {"trust_bundle", "trust_bundle_version", "trust-bundle.issued"}
"""What there may be one more of without harm."""
Code: TypeAlias = tuple[str, int]
"""File and first line of a function."""


def key_request(request_id: str = REQUEST_ID) -> RequestKey:
    return RequestKey.of(ADMIN, request_id, "method", b"body")


class WatchedDatabase(FlakyDatabase):
    """Also counts the writes, and knows every function that ran inside them."""

    def __init__(self, database: Database, *faults: Fault | None) -> None:
        super().__init__(database)
        self.plan(*faults)
        self.writes = 0
        self.ran: set[Code] = set()

    async def write(self, work: Any) -> Any:
        self.writes += 1
        return await super().write(self._watched(work))

    async def write_grouped(self, work: Any, item: Any) -> Any:
        self.writes += 1
        return await super().write_grouped(self._watched(work), item)

    async def write_many(self, work: Any, items: Any) -> Any:
        self.writes += 1
        return await super().write_many(self._watched(work), items)

    def _watched(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def note(frame: FrameType, event: str, _argument: object) -> None:
            if event == "call":
                self.ran.add((frame.f_code.co_filename, frame.f_code.co_firstlineno))

        def watched(*given: Any) -> Any:
            sys.setprofile(note)  # of the writer's own thread
            try:
                return work(*given)
            finally:
                sys.setprofile(None)

        return watched


@dataclass(frozen=True, kw_only=True)
class Row:
    """`prepare` gives what `run` needs beside the world; `run(world, state, database, attempt)` does the act under one
    request_id, `attempt` 0 or 1. `between` lets claims grow old. `database` is the world's own. `harmless`: tables and
    types of log entries of which there may be one more.
    """

    world: Callable[[Path], AbstractAsyncContextManager[Any]]
    run: Callable[[Any, Any, Any, int], Awaitable[Any]]
    database: Callable[[Any], Database]
    prepare: Callable[[Any], Awaitable[Any]] | None = None
    between: Callable[[Any], None] | None = None
    harmless: frozenset[str] = field(default=frozenset())

    async def live(self, folder: Path, *faults: Fault | None) -> tuple["Outcome", WatchedDatabase]:
        """Twice, the first time with these faults."""
        await asyncio.to_thread(folder.mkdir)
        async with self.world(folder) as world:
            state = None if self.prepare is None else await self.prepare(world)
            watched = WatchedDatabase(self.database(world), *faults)
            with contextlib.suppress(ConnectionLost):
                await self.run(world, state, watched, 0)
            if self.between is not None:
                self.between(world)
            await self.run(world, state, WatchedDatabase(self.database(world)), 1)
            return await self.database(world).read(self._outcome), watched

    def _outcome(self, tx: sa.Connection) -> "Outcome":
        tables = [table for table in metadata.sorted_tables if table.name not in self.harmless]
        counts = {
            table.name: tx.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() for table in tables
        }
        logged: Counter[str] = Counter()
        for source in ("tlog_queue", "tlog_entry"):
            entries = tx.execute(sa.text(f"SELECT data FROM {source}")).scalars()
            logged.update(json.loads(entry)["type"] for entry in entries)
        waiting, sequenced = counts.pop("tlog_queue"), counts.pop("tlog_entry")
        assert waiting + sequenced == logged.total()
        return Outcome(counts, Counter({kind: count for kind, count in logged.items() if kind not in self.harmless}))


@dataclass(frozen=True)
class Outcome:
    """Rows by table, entries of the log by type."""

    rows: dict[str, int]
    logged: Counter[str]
