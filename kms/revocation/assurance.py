"""Changes of assurance in the feed: a device is appraised no more, or again.

Two hops, so that none is lost: (1) the transaction that stores the new judgement also leaves a note
(assurance_store.insert_note); (2) the event is signed, and one transaction puts it into the feed and the log and takes
the note away. Killed between the two, `announce_due` goes on; several replicas may, and one of them succeeds.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from kms.core.canonical import Json
from kms.keys.model import ServiceSignature
from kms.log.model import LogEntry
from kms.revocation import assurance_store, store
from kms.revocation.model import EVENT_CONTEXT, SIGNING_KEY_ID, AssuranceChange, RevocationEvent
from kms.revocation.payload import assurance_payload
from kms.revocation.service import RevocationService


@dataclass(frozen=True, slots=True)
class AssuranceService:
    """Tells the watchers of the feed."""

    revocations: RevocationService

    async def announce_due(self, now: datetime) -> int:
        """Signs and tells what is noted, oldest first; gives how many. Raises what the HSM and the database raise."""
        told = 0
        while changes := await self.revocations.database.read(assurance_store.oldest_notes):
            for change in changes:
                told += await self._announce(change, now)
        return told

    async def _announce(self, change: AssuranceChange, now: datetime) -> bool:
        service = self.revocations
        payload = assurance_payload(change, issuer=service.issuer)
        signature = await service.signing.sign_as_service(SIGNING_KEY_ID, payload, EVENT_CONTEXT, now)
        event = await service.database.write(lambda tx: self._commit(tx, change, payload, signature))
        if event is None:
            return False
        service.signal.notify(change.subject.tenant)
        await service.log.confirm(event.promise, published=False)
        return True

    def _commit(
        self, tx: Connection, change: AssuranceChange, payload: bytes, signature: ServiceSignature
    ) -> RevocationEvent | None:
        """None when another replica was faster."""
        if not assurance_store.take_note(tx, change):
            return None
        service = self.revocations
        end = store.lock_feed(tx, change.subject.tenant, service.randomness.bytes(16))
        promise = service.log.record(tx, _log_entry(change, payload, signature))
        event = RevocationEvent(
            revocation=change, sequence=end.sequence + 1, payload=payload, signature=signature, promise=promise
        )
        store.append(tx, event)
        return event


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
