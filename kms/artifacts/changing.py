"""One thing said of an artifact or a model, in two steps: signed before the transaction (the HSM is never asked inside
one), then row, log entry and event in it, by compare and set. So a transaction of another use case can say it too.
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.engine import Connection

from kms.artifacts import store
from kms.artifacts.model import ARTIFACT_STATUS_CHANGE, ARTIFACT_SUPERSEDED, ArtifactStatus, ModelName
from kms.core.canonical import Json
from kms.core.idempotency import RequestKey
from kms.core.names import DigestName
from kms.events.appending import Events, Overtaken
from kms.events.model import GLOBAL, Draft, InitiatingEntity, Priority, SignedEvent, Status
from kms.log.model import LogEntry, LogPromise


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Whose change it is. `request`: of the call, for replays; `transaction_id`: of the event."""

    initiating_entity: InitiatingEntity
    request: RequestKey
    transaction_id: str
    now: datetime
    published: bool


@dataclass(frozen=True, slots=True)
class SignedChange:
    """Signed and not done yet: the revision `after.revision - 1` is to become `after`."""

    after: ArtifactStatus
    event: SignedEvent


@dataclass(frozen=True, slots=True)
class StatusChanges:
    events: Events

    async def sign(self, after: ArtifactStatus, asker: Asker) -> SignedChange:
        """`after`: of `next_status`. Raises what the HSM raises."""
        draft = _draft(self.events.new_id(asker.now), after, asker)
        return SignedChange(after, await self.events.sign(draft, asker.now))

    def change_in(self, tx: Connection, change: SignedChange) -> LogPromise:
        """What ends a suspension allows something: its event waits for the log's proof. The others are in the global
        feed with the commit. Raises Overtaken when something else was said meanwhile; nothing was written then.
        """
        after, event = change.after, change.event
        if not store.save(tx, after, before=after.revision - 1):
            raise Overtaken(str(after.name))
        promise = self.events.log.record(tx, _log_entry(after, event))
        if _allows(after):
            self.events.hold(tx, event, promise, [GLOBAL])
        else:
            self.events.append(tx, event, promise, [GLOBAL])
        return promise


def next_status(
    name: DigestName | ModelName,
    before: ArtifactStatus | None,
    *,
    now: datetime,
    state: Status = Status.VALID,
    minimum_version: int = 0,
) -> ArtifactStatus:
    """Following what was said before; the first revision is 1."""
    first = ArtifactStatus(name=name, state=state, minimum_version=minimum_version, revision=1, update_time=now)
    return first if before is None else replace(first, revision=before.revision + 1)


def _allows(after: ArtifactStatus) -> bool:
    return isinstance(after.name, DigestName) and after.state is Status.VALID


def _draft(event_id: str, after: ArtifactStatus, asker: Asker) -> Draft:
    own: dict[str, Json]
    if isinstance(after.name, ModelName):
        uri, own = ARTIFACT_SUPERSEDED, {"min_version": after.minimum_version}
    else:
        uri, own = ARTIFACT_STATUS_CHANGE, {"digest": after.name.digest}
    return Draft(
        id=event_id,
        tenant=after.name.tenant,
        uri=uri,
        subject=str(after.name),
        revision=after.revision,
        status=after.state,
        event_time=asker.now,
        effective_time=asker.now,
        initiating_entity=asker.initiating_entity,
        priority=Priority.INFORMATION if _allows(after) else Priority.URGENT,
        own=own,
        transaction_id=asker.transaction_id,
    )


def _log_entry(after: ArtifactStatus, signed: SignedEvent) -> LogEntry:
    details: dict[str, Json] = {
        "payload_sha256": hashlib.sha256(signed.payload).hexdigest(),
        "revision": after.revision,
        "signed_by": signed.signature.key_version,
    }
    if isinstance(after.name, ModelName):
        event_type = "model.minimum-version-set"
        details["minimum_version"] = after.minimum_version
    else:
        event_type = "artifact.status-set"
        details["state"] = after.state.name
    name = after.name
    return LogEntry(signed.draft.id, event_type, name.tenant, str(name), signed.draft.event_time, details)
