"""Lets go of events that were held: their log entry is published, so they may allow something now."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.core.clock import Clock
from kms.core.errors import ServiceError
from kms.core.wakeup import wait_ticket
from kms.events import history, store
from kms.events.appending import Events, is_news
from kms.events.model import STATELESS, Event, Known
from kms.events.tables import batch, event, held
from kms.log.model import LogPromise

_logger = logging.getLogger(__name__)
GROUP_MAX: Final = 1000
IDLE_SECONDS: Final = 1.0
"""How soon an event is found that another replica held and could not release."""

Satisfies = Callable[[LogPromise], bool]
"""Whether a published proof has the witnesses that readers of this log ask for."""


@dataclass(frozen=True, slots=True)
class _Held:
    event: Event
    feeds: Sequence[str]


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
        entries = {each.event.proved.event_key: each.event.proved for each in waiting}
        for promise in await self.events.log.confirm_many(list(entries.values()), published=True):
            if promise.tlog_proof is not None and self.satisfies(promise):
                proofs[promise.event_key] = promise
        ready = [each for each in waiting if each.event.proved.event_key in proofs]
        if not ready:
            return 0
        by_tenant: dict[str, list[_Held]] = {}
        for each in ready:
            by_tenant.setdefault(each.event.tenant, []).append(each)
        for tenant, group in by_tenant.items():
            await self._release(tenant, group, proofs)
        return len(ready)

    async def _release(self, tenant: str, group: Sequence[_Held], proofs: dict[str, LogPromise]) -> None:
        def work(tx: Connection) -> None:
            epoch = self.events.lock(tx, tenant, self.clock.now())
            mine = _take(tx, [each.event.id for each in group])
            placings: list[store.Placing] = []
            newest: dict[tuple[str, str], Known | None] = {}
            for each in group:
                if each.event.id not in mine:
                    continue  # another replica was faster
                _store_proof(tx, each.event, proofs[each.event.proved.event_key])
                feeds = [name for name in each.feeds if _is_newest(tx, each.event, name, newest)]
                if feeds:
                    placings.append(store.Placing(each.event, feeds))
            store.place(tx, tenant, placings, epoch=epoch)

        await self.events.database.write(work)
        self.events.notify(tenant)


def _is_newest(tx: Connection, held_event: Event, feed: str, newest: dict[tuple[str, str], Known | None]) -> bool:
    """Whether it is news to the feed, and to what this transaction puts into it; `newest` is kept up to date."""
    place = feed, held_event.subject
    if place not in newest:
        newest[place] = store.known(tx, held_event.tenant, feed, held_event.subject)
    if feed not in STATELESS and not is_news(held_event, newest[place]):
        return False
    newest[place] = Known(held_event.revision, held_event.status)
    return True


def _oldest_held(tx: Connection) -> list[_Held]:
    """In the order in which they were made: ids begin with their time."""
    rows = {row.event: row.feeds for row in tx.execute(sa.select(held).order_by(held.c.event).limit(GROUP_MAX))}
    found = history.find_events(tx, rows.keys())
    return [_Held(found[each], feeds) for each, feeds in rows.items()]


def _take(tx: Connection, ids: Sequence[str]) -> frozenset[str]:
    """Those of the events that are still held; they are not any more."""
    still = frozenset(tx.execute(sa.select(held.c.event).where(held.c.event.in_(ids))).scalars())
    tx.execute(held.delete().where(held.c.event.in_(still)))
    return still


def _store_proof(tx: Connection, released: Event, promise: LogPromise) -> None:
    if released.place is None:
        tx.execute(event.update().where(event.c.id == released.id).values(tlog_proof=promise.tlog_proof))
    else:
        made = batch.c.id == released.place.batch.id
        tx.execute(batch.update().where(made, batch.c.tlog_proof.is_(None)).values(tlog_proof=promise.tlog_proof))
