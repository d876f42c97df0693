"""Lets go of events that were held: their log entry is published, so they may allow something now."""

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from sqlalchemy.engine import Connection

from kms.core.clock import Clock
from kms.core.direct_sql import AmongSql, DirectSql
from kms.core.errors import ServiceError
from kms.core.wakeup import wait_ticket
from kms.events import store
from kms.events.appending import Events, is_news
from kms.events.model import STATELESS, Known, Status
from kms.log.model import LogPromise

_logger = logging.getLogger(__name__)
GROUP_MAX: Final = 1000
IDLE_SECONDS: Final = 1.0
"""How soon an event is found that another replica held and could not release."""
_OLDEST: Final = DirectSql(
    "SELECT held.event, held.tenant, held.feeds, event.subject, event.revision, event.status, event.batch, "
    "event.leaf_hash, event.entry FROM event_held AS held JOIN event ON event.id = held.event "
    "ORDER BY held.event LIMIT ?"
)
_BATCHES: Final = AmongSql("SELECT id, leaf_hash, entry FROM event_batch WHERE id IN (*)")
_STILL: Final = AmongSql("SELECT event FROM event_held WHERE event IN (*)")
_LET_GO: Final = AmongSql("DELETE FROM event_held WHERE event IN (*)")
_PROVE_EVENT: Final = DirectSql("UPDATE event SET tlog_proof = ? WHERE id = ?")
_PROVE_BATCH: Final = DirectSql("UPDATE event_batch SET tlog_proof = ? WHERE id = ? AND tlog_proof IS NULL")

Satisfies = Callable[[LogPromise], bool]
"""Whether a published proof has the witnesses that readers of this log ask for."""


@dataclass(frozen=True, slots=True)
class _Held:
    """What has to be known of an event to place it. `entry_key` names the log entry that stands for it: its own, or
    that of its batch.
    """

    id: str
    tenant: str
    feeds: Sequence[str]
    subject: str
    revision: int
    status: Status
    entry_key: str


@dataclass(frozen=True, slots=True)
class _Waiting:
    events: Sequence[_Held]
    promises: Sequence[LogPromise]


@dataclass(slots=True)
class Releaser:
    """One for the process; several replicas may, and one of them succeeds for each event."""

    events: Events
    clock: Clock
    satisfies: Satisfies

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            ticket = self.events.signal.held_ticket()
            try:
                busy = await self.release_due()
            except ServiceError as error:
                _logger.warning("events that allow something wait for the log: %s", error)
                busy = False
            except asyncio.CancelledError:
                raise
            except (
                Exception
            ):  # the database or the log is away for a moment: nothing is lost, the next round asks again
                _logger.warning("events that allow something wait", exc_info=True)
                busy = False
            if not busy:
                await wait_ticket(ticket, IDLE_SECONDS)

    async def release_due(self) -> int:
        """Releases what the log has published by now, or publishes soon; gives how many."""
        waiting = await self.events.database.read(_oldest_held)
        proofs: dict[str, LogPromise] = {}
        for promise in await self.events.log.confirm_many(waiting.promises, published=True):
            if promise.tlog_proof is not None and self.satisfies(promise):
                proofs[promise.event_key] = promise
        by_tenant: dict[str, list[_Held]] = {}
        for each in waiting.events:
            if each.entry_key in proofs:
                by_tenant.setdefault(each.tenant, []).append(each)
        for tenant, group in by_tenant.items():
            await self.events.database.write(partial(self._release, tenant, group, proofs))
            self.events.notify(tenant)
        return sum(len(group) for group in by_tenant.values())

    def _release(self, tenant: str, group: Sequence[_Held], proofs: dict[str, LogPromise], tx: Connection) -> None:
        epoch = self.events.lock(tx, tenant, self.clock.now())
        still = _take(tx, [each.id for each in group])
        mine = [each for each in group if each.id in still]  # of the others another replica was faster
        for key in {each.entry_key for each in mine}:
            _store_proof(tx, proofs[key])
        places = {(name, each.subject) for each in mine for name in each.feeds if name not in STATELESS}
        newest = store.known_of(tx, tenant, sorted(places))
        placings = [store.Placing(each, _where_it_is_news(each, newest)) for each in mine]
        store.place(tx, tenant, [each for each in placings if each.feeds], epoch=epoch)


def _where_it_is_news(held_event: _Held, newest: dict[tuple[str, str], Known]) -> list[str]:
    """Feeds; `newest` is kept up to date: it is put into them."""
    feeds: list[str] = []
    for name in held_event.feeds:
        if name not in STATELESS:
            if not is_news(held_event, newest.get((name, held_event.subject))):
                continue
            newest[name, held_event.subject] = Known(held_event.revision, held_event.status)
        feeds.append(name)
    return feeds


def _oldest_held(tx: Connection) -> _Waiting:
    """In the order in which they were made: ids begin with their time."""
    found: list[_Held] = []
    promises: dict[str, LogPromise] = {}
    of_batch: set[str] = set()
    for id_, tenant, feeds, subject, revision, status, in_batch, leaf_hash, entry in _OLDEST.rows(tx, [GROUP_MAX]):
        found.append(_Held(id_, tenant, _names(feeds), subject, revision, Status(status), in_batch or id_))
        if in_batch is None:
            promises[id_] = LogPromise(event_key=id_, leaf_hash=leaf_hash, entry=entry)
        else:
            of_batch.add(in_batch)
    for id_, leaf_hash, entry in _BATCHES.rows(tx, [], among=sorted(of_batch)):
        promises[id_] = LogPromise(event_key=id_, leaf_hash=leaf_hash, entry=entry)
    return _Waiting(found, list(promises.values()))


def _names(feeds: str | list[str]) -> list[str]:
    """SQLite has JSON as text; the driver of PostgreSQL has parsed it."""
    names: list[str] = json.loads(feeds) if isinstance(feeds, str) else feeds
    return names


def _take(tx: Connection, ids: Sequence[str]) -> frozenset[str]:
    """Those of the events that are still held; they are not any more."""
    still = frozenset(row[0] for row in _STILL.rows(tx, [], among=ids))
    _LET_GO.change(tx, [], among=sorted(still))
    return still


def _store_proof(tx: Connection, promise: LogPromise) -> None:
    """An event and a batch have ids of their own: the key of the entry is that of one of them."""
    for store_proof in (_PROVE_EVENT, _PROVE_BATCH):
        store_proof.change(tx, [promise.tlog_proof, promise.event_key])
