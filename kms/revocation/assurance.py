"""Changes of assurance in the feed: a device is appraised no more, or again.

Two hops, so that none is lost: (1) the transaction that stores the new judgement also leaves a note
(assurance_store.insert_note); (2) the event is signed, and one transaction puts it into the feed and the log and takes
the note away. Killed between the two, `announce_due` goes on; several replicas may, and one of them succeeds.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy.engine import Connection

from kms.core.canonical import Json
from kms.core.names import ChildName
from kms.events.appending import Overtaken
from kms.events.model import REVOCATIONS, SignedEvent, Status, device_feed
from kms.keys.model import ServiceSignature
from kms.log.model import LogEntry, LogPromise
from kms.revocation import assurance_store
from kms.revocation.model import AssuranceChange
from kms.revocation.payload import assurance_draft
from kms.revocation.service import RevocationService


class Blocked(Protocol):
    """What keeps a device suspended although it is appraised: its feed has one status for both."""

    def is_blocked(self, tx: Connection, devices: frozenset[ChildName]) -> frozenset[ChildName]:
        """Those among `devices` that are."""


@dataclass(frozen=True, slots=True)
class AssuranceService:
    """Tells the watchers of the feed."""

    revocations: RevocationService
    blocked: Blocked

    async def announce_due(self, now: datetime) -> int:
        """Signs and tells what is noted, oldest first; gives how many. Raises what the HSM and the database raise."""
        told = 0
        while changes := await self.revocations.database.read(assurance_store.oldest_notes):
            for change in changes:
                told += await self._announce(change, now)
        return told

    async def _announce(self, change: AssuranceChange, now: datetime) -> bool:
        events, device = self.revocations.events, change.subject
        feed = device_feed(device)
        known, blocked = await events.database.read(
            lambda tx: (events.known(tx, device.tenant, feed, str(device)), self._is_blocked(tx, device))
        )
        revision = 1 if known is None else known.revision + 1
        signed = await events.sign(assurance_draft(change, revision=revision, blocked=blocked), now)
        try:
            promise = await events.database.write(lambda tx: self._commit(tx, change, signed, feed))
        except Overtaken:
            return False  # the note is still there: the next round tells it
        if promise is None:
            return False
        events.notify(device.tenant)
        await events.log.confirm(promise, published=False)
        return True

    def _commit(self, tx: Connection, change: AssuranceChange, signed: SignedEvent, feed: str) -> LogPromise | None:
        """None when another replica was faster. What is regained waits for the log before the device hears of it.

        Raises Overtaken when the device was blocked meanwhile.
        """
        if not assurance_store.take_note(tx, change):
            return None
        if signed.draft.status is Status.VALID and self._is_blocked(tx, change.subject):
            raise Overtaken(str(change.subject))
        events = self.revocations.events
        promise = events.log.record(tx, _log_entry(change, signed.payload, signed.signature))
        if signed.draft.status is Status.SUSPENDED:
            events.append(tx, signed, promise, [REVOCATIONS, feed])
        else:
            events.append(tx, signed, promise, [REVOCATIONS], held_for=[feed])
        return promise

    def _is_blocked(self, tx: Connection, device: ChildName) -> bool:
        return bool(self.blocked.is_blocked(tx, frozenset({device})))


def _log_entry(change: AssuranceChange, payload: bytes, signature: ServiceSignature) -> LogEntry:
    details: dict[str, Json] = {
        "current_level": change.current.value,
        "initiating_entity": change.initiating_entity.value,
        "payload_sha256": hashlib.sha256(payload).hexdigest(),
        "previous_level": change.previous.value,
        "signed_by": signature.key_version,
        "verdict": change.verdict,
    }
    subject = change.subject
    return LogEntry(change.id, "assurance.changed", subject.tenant, str(subject), change.event_time, details)
