"""Acknowledgements: a device tells which events it has applied, and which it could not (RFC 8936, section 2.4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.core.database import Database
from kms.core.names import ChildName
from kms.events.model import GLOBAL, device_feed
from kms.events.ports import AcknowledgementObserver
from kms.events.tables import acknowledgement, feed_event

_CHUNK: Final = 500
Said = tuple[str, str]
"""(error, description): both empty when the event was applied."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """`ignored`: not in the device's feeds, or told before."""

    stored: int
    ignored: int


@dataclass(frozen=True, slots=True)
class AcknowledgementService:
    database: Database
    observer: AcknowledgementObserver | None

    async def acknowledge(self, device: ChildName, said: Mapping[str, Said], now: datetime) -> Acknowledged:
        """By jti. Telling it again changes nothing, but that what failed once may be told to be applied later."""
        if not said:
            return Acknowledged(0, 0)
        return await self.database.write(lambda tx: self._store(tx, device, said, now))

    def _store(self, tx: Connection, device: ChildName, said: Mapping[str, Said], now: datetime) -> Acknowledged:
        ids = sorted(said)
        known = _in_feeds(tx, device, ids)
        before = _errors(tx, device, ids)
        fresh = [event for event in ids if event in known and event not in before]
        healed = [event for event in ids if before.get(event) and not said[event][0]]
        _insert(tx, device, {event: said[event] for event in fresh}, now)
        _heal(tx, device, healed, now)
        if self.observer is not None:
            for event in (*fresh, *healed):
                self.observer.acknowledged_in(tx, device, event, said[event][0], now)
        stored = len(fresh) + len(healed)
        return Acknowledged(stored, len(said) - stored)


def _in_feeds(tx: Connection, device: ChildName, ids: Sequence[str]) -> frozenset[str]:
    """Those that this device may have been sent."""
    mine = sa.and_(feed_event.c.tenant == device.tenant, feed_event.c.feed.in_([GLOBAL, device_feed(device)]))
    found: set[str] = set()
    for start in range(0, len(ids), _CHUNK):
        some = ids[start : start + _CHUNK]
        found |= set(tx.execute(sa.select(feed_event.c.event).where(mine, feed_event.c.event.in_(some))).scalars())
    return frozenset(found)


def _errors(tx: Connection, device: ChildName, ids: Sequence[str]) -> dict[str, str]:
    """Of those that were acknowledged before."""
    found: dict[str, str] = {}
    for start in range(0, len(ids), _CHUNK):
        query = sa.select(acknowledgement.c.event, acknowledgement.c.error).where(
            _of(device), acknowledgement.c.event.in_(ids[start : start + _CHUNK])
        )
        found |= {row.event: row.error for row in tx.execute(query)}
    return found


def _insert(tx: Connection, device: ChildName, said: Mapping[str, Said], now: datetime) -> None:
    rows = [
        {
            "tenant": device.tenant,
            "device": device.id,
            "event": event,
            "ack_time": now,
            "error": error,
            "description": text,
        }
        for event, (error, text) in said.items()
    ]
    if rows:
        tx.execute(acknowledgement.insert(), rows)


def _heal(tx: Connection, device: ChildName, events: Sequence[str], now: datetime) -> None:
    values = {"ack_time": now, "error": "", "description": ""}
    for start in range(0, len(events), _CHUNK):
        some = acknowledgement.c.event.in_(events[start : start + _CHUNK])
        tx.execute(acknowledgement.update().where(_of(device), some).values(**values))


def _of(device: ChildName) -> sa.ColumnElement[bool]:
    return sa.and_(acknowledgement.c.tenant == device.tenant, acknowledgement.c.device == device.id)
