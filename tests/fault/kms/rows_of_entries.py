"""Rows of the table of writes: what reads, finds, erases and vouches for entries."""

from typing import Any, Final, Self

from fault.kms.write_table import CHECKPOINTS, REQUEST_ID, Row
from kms.core.idempotency import RequestKey
from kms.log.entries import search_store
from kms.log.entries.erasing import EraseTarget
from kms.log.entries.indexer import Indexer
from kms.log.entries.search_store import SearchRow
from kms.log.receipts.receipt_keys import ALGORITHMS
from support.log_entries import EVENT, EntriesWorld, call
from support.log_world import LogWorld


class _OpenEntries(EntriesWorld):
    def __init__(self, folder: Any) -> None:
        super().__init__(LogWorld(folder))

    async def __aenter__(self) -> Self:
        await self.world.open()
        await self.world.log.prepare()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.world.close()


async def _appended(entries: EntriesWorld) -> str:
    key = await entries.append("models/1", personal={"name": "Ada"}, person="ada")
    await entries.append("models/2", personal={"name": "Ada"}, person="ada")
    return key


async def _with_rows_of_another_log(entries: EntriesWorld) -> None:
    await _appended(entries)
    now = entries.world.clock.now()
    stale = [SearchRow(index, "default", "old", EVENT, now) for index in range(5)]
    await entries.world.database.write(lambda tx: search_store.insert_rows(tx, stale))


async def _index(entries: EntriesWorld, _: Any, database: Any, _attempt: int) -> None:
    await Indexer(database, entries.world.log).catch_up()


def _target(key: str, *, by_person: bool) -> EraseTarget:
    return EraseTarget(person="ada") if by_person else EraseTarget(event_key=key)


def _erase(*, by_person: bool) -> Any:
    async def run(entries: EntriesWorld, key: str, database: Any, _attempt: int) -> None:
        who = call()
        await entries.services(database).commitments.erase(
            "default",
            _target(key, by_person=by_person),
            reason="asked for",
            request=RequestKey.of(who.caller, REQUEST_ID, who.method, b"body"),
            now=who.now,
        )

    return run


async def _receipts(entries: EntriesWorld, key: str, database: Any, _attempt: int) -> None:
    receipts = entries.services(database).receipts
    for algorithm in ALGORITHMS:
        await receipts.receipt(key, algorithm)


def _row(run: Any, prepare: Any = _appended) -> Row:
    return Row(
        world=_OpenEntries,
        run=run,
        prepare=prepare,
        database=lambda entries: entries.world.database,
        harmless=CHECKPOINTS,
    )


ROWS: Final[dict[str, Row]] = {
    "indexing": _row(_index),
    "indexing after another log": _row(_index, _with_rows_of_another_log),
    "EraseCommitments of an entry": _row(_erase(by_person=False)),
    "EraseCommitments of a person": _row(_erase(by_person=True)),
    "GetCoseReceipt": _row(_receipts),
}
