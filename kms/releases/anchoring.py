"""AnchorDeviceAudit: the head of a device's own audit chain goes into the log. What it says later must lead here.

One write transaction. A chain that shrank, or says something else at the same size, is refused, and that is logged.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy.engine import Connection

from kms.core.canonical import Json
from kms.core.database import Database
from kms.core.errors import FailedPrecondition, Reason
from kms.core.idempotency import Replays, RequestKey
from kms.core.names import ChildName
from kms.events.appending import Events
from kms.log.model import LogEntry, LogPromise
from kms.releases import anchor_store
from kms.releases.model import AuditAnchor


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorAnswer:
    """What AnchorDeviceAudit remembers for a replay."""

    anchor_time: datetime
    promise: LogPromise


@dataclass(frozen=True, slots=True)
class Anchored:
    answer: AnchorAnswer
    replayed: bool


@dataclass(slots=True, kw_only=True)
class AuditAnchors:
    """Anchors audit chains, each device's own."""

    events: Events
    _replays: Replays[AnchorAnswer] = field(default_factory=lambda: Replays(AnchorAnswer))

    @property
    def database(self) -> Database:
        return self.events.database

    async def anchor(self, wanted: AuditAnchor, *, request: RequestKey, published: bool) -> Anchored:
        """Raises FailedPrecondition/AUDIT_DIVERGED, which the log knows of by then."""
        outcome = await self.database.write(lambda tx: self._commit(tx, wanted, request))
        if isinstance(outcome, AuditAnchor):
            await self.events.log.confirm_many([], published=False)
            raise _diverged(wanted, outcome)
        promise = await self.events.log.confirm(outcome.answer.promise, published=published)
        return replace(outcome, answer=replace(outcome.answer, promise=promise))

    def _commit(self, tx: Connection, wanted: AuditAnchor, request: RequestKey) -> Anchored | AuditAnchor:
        """What was anchored before, when `wanted` does not follow from it: a refusal that commits."""
        known = anchor_store.lock(tx, wanted.device, wanted.anchor_time)
        if (earlier := self._replays.find(tx, request)) is not None:
            return Anchored(earlier, replayed=True)
        if not known.is_followed_by(wanted.size, wanted.head):
            if anchor_store.note_refused(tx, wanted.device, wanted.size, wanted.head):
                told: dict[str, Json] = {"known_head": known.head.hex(), "known_size": known.size}
                self._record(tx, "device.audit-diverged", wanted, told)
            return known
        anchor_store.save(tx, wanted)
        promise = self._record(tx, "device.audit-anchored", wanted, {})
        answer = AnchorAnswer(anchor_time=wanted.anchor_time, promise=promise)
        self._replays.store(tx, request, answer, wanted.anchor_time)
        return Anchored(answer, replayed=False)

    def _record(self, tx: Connection, kind: str, wanted: AuditAnchor, more: dict[str, Json]) -> LogPromise:
        device, when = wanted.device, wanted.anchor_time
        details: dict[str, Json] = {"head": wanted.head.hex(), "size": wanted.size, **more}
        return self.events.log.record(
            tx, LogEntry(self.events.new_id(when), kind, device.tenant, str(device), when, details)
        )


def _diverged(wanted: AuditAnchor, known: AuditAnchor) -> FailedPrecondition:
    device: ChildName = wanted.device
    return FailedPrecondition(
        Reason.AUDIT_DIVERGED,
        f"the audit chain of {device} had {known.size} entries and another head before: it only grows. Both are logged",
        resource=str(device),
        metadata={"known_size": str(known.size), "known_head": known.head.hex()},
    )
