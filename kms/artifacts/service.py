"""Use cases of artifacts: suspend, resume, raise a model's minimum version, list. Revoking is kms.revocation.

A change, hop by hop: (1) a read transaction: what is said now? (2) no transaction: the service signs the event; (3) one
write transaction: the status by compare-and-set, log entry, event, answer for replays. What ends a suspension allows
something: its event waits for the log's proof. The others are in the global feed with the commit.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy.engine import Connection

from kms.artifacts import store
from kms.artifacts.model import (
    ARTIFACT_STATUS_CHANGE,
    ARTIFACT_SUPERSEDED,
    COLLECTION,
    VERSION_MAX,
    ArtifactAnswer,
    ArtifactStatus,
    ModelName,
)
from kms.core.canonical import Json
from kms.core.errors import FailedPrecondition, InvalidArgument, Reason, Unavailable
from kms.core.idempotency import Replays, RequestKey
from kms.core.names import DigestName
from kms.events.appending import Events, Overtaken
from kms.events.model import GLOBAL, Draft, InitiatingEntity, Priority, SignedEvent, Status
from kms.log.model import LogEntry, LogPromise

_ROUNDS_MAX = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Whose change it is. `request`: of the call, for replays; `transaction_id`: of the event."""

    initiating_entity: InitiatingEntity
    request: RequestKey
    transaction_id: str
    now: datetime
    published: bool


Outcome = tuple[ArtifactStatus, LogPromise, bool]
"""The status as the call left it, the promise of its log entry, and whether this is a replay."""
Change = Callable[[ArtifactStatus | None], ArtifactStatus]


class _ChangedMeanwhile(Exception):
    """Since it was read. Nothing was written."""


@dataclass(slots=True, kw_only=True)
class ArtifactStatusService:
    """`set_state` and `set_minimum_version` answer a repeated request_id as before."""

    events: Events
    _replays: Replays[ArtifactAnswer] = field(default_factory=lambda: Replays(ArtifactAnswer))

    async def set_state(self, name: DigestName, state: Status, asker: Asker) -> Outcome:
        """VALID or SUSPENDED. Raises InvalidArgument for another, FailedPrecondition/STATE_TRANSITION_INVALID when it
        is so already, or was revoked.
        """
        if state is Status.INVALID:
            raise InvalidArgument(
                Reason.FIELD_INVALID,
                "state must be VALID or SUSPENDED; to take it back for ever, revoke",
                field="state",
            )

        def change(before: ArtifactStatus | None) -> ArtifactStatus:
            known = Status.VALID if before is None else before.state
            if known is Status.INVALID:
                raise _refused(name, "was revoked, and stays so")
            if known is state:
                raise _refused(name, f"is {state.name} already")
            return _next(name, before, state=state, now=asker.now)

        return await self._change(name, change, asker)

    async def set_minimum_version(self, name: ModelName, version: int, asker: Asker) -> Outcome:
        """It only goes up. Raises InvalidArgument, FailedPrecondition/STATE_TRANSITION_INVALID."""
        if not 1 <= version <= VERSION_MAX:
            raise InvalidArgument(
                Reason.FIELD_INVALID, f"minimum_version must be 1 to {VERSION_MAX}", field="minimum_version"
            )

        def change(before: ArtifactStatus | None) -> ArtifactStatus:
            if before is not None and version <= before.minimum_version:
                raise _refused(name, f"has the minimum version {before.minimum_version}, which only goes up")
            return _next(name, before, minimum_version=version, now=asker.now)

        return await self._change(name, change, asker)

    async def list(self, tenant: str, *, after: str, limit: int) -> Sequence[ArtifactStatus]:
        """Of which something was said, in the order of their names, after the name `after`."""
        return await self.events.database.read(lambda tx: store.list_statuses(tx, tenant, after=after, limit=limit))

    async def _change(self, name: DigestName | ModelName, change: Change, asker: Asker) -> Outcome:
        database, request = self.events.database, asker.request
        for _ in range(_ROUNDS_MAX):
            earlier, before = await database.read(lambda tx: (self._replays.find(tx, request), store.find(tx, name)))
            if earlier is not None:
                return await self._outcome(earlier, asker, replayed=True)
            after = change(before)
            signed = await self.events.sign(_draft(self.events.new_id(asker.now), after, asker), asker.now)
            try:
                answer, replayed = await database.write(
                    lambda tx, a=after, b=before, s=signed: self._commit(tx, a, b, s, asker)  # type: ignore[misc]
                )
            except (_ChangedMeanwhile, Overtaken):
                continue
            self.events.notify(name.tenant)
            return await self._outcome(answer, asker, replayed=replayed)
        raise Unavailable(Reason.QUEUE_FULL, f"{name} changes many times at once; retry", retry_after_seconds=1)

    def _commit(
        self, tx: Connection, after: ArtifactStatus, before: ArtifactStatus | None, signed: SignedEvent, asker: Asker
    ) -> tuple[ArtifactAnswer, bool]:
        if (earlier := self._replays.find(tx, asker.request)) is not None:
            return earlier, True
        if not store.save(tx, after, before=0 if before is None else before.revision):
            raise _ChangedMeanwhile
        promise = self.events.log.record(tx, _log_entry(after, signed))
        if isinstance(after.name, DigestName) and after.state is Status.VALID:
            self.events.hold(tx, signed, promise, [GLOBAL])
        else:
            self.events.append(tx, signed, promise, [GLOBAL])
        answer = ArtifactAnswer(
            name=str(after.name),
            state=int(after.state),
            minimum_version=after.minimum_version,
            revision=after.revision,
            update_time=after.update_time,
            promise=promise,
        )
        self._replays.store(tx, asker.request, answer, asker.now)
        return answer, False

    async def _outcome(self, answer: ArtifactAnswer, asker: Asker, *, replayed: bool) -> Outcome:
        promise = await self.events.log.confirm(answer.promise, published=asker.published)
        is_artifact = answer.name.split("/")[2] == COLLECTION
        status = ArtifactStatus(
            name=DigestName.parse(answer.name, COLLECTION) if is_artifact else ModelName.parse(answer.name),
            state=Status(answer.state),
            minimum_version=answer.minimum_version,
            revision=answer.revision,
            update_time=answer.update_time,
        )
        return status, promise, replayed


def _next(
    name: DigestName | ModelName,
    before: ArtifactStatus | None,
    *,
    now: datetime,
    state: Status = Status.VALID,
    minimum_version: int = 0,
) -> ArtifactStatus:
    first = ArtifactStatus(name=name, state=state, minimum_version=minimum_version, revision=1, update_time=now)
    return first if before is None else replace(first, revision=before.revision + 1)


def _draft(event_id: str, after: ArtifactStatus, asker: Asker) -> Draft:
    own: dict[str, Json]
    if isinstance(after.name, ModelName):
        uri, own = ARTIFACT_SUPERSEDED, {"min_version": after.minimum_version}
    else:
        uri, own = ARTIFACT_STATUS_CHANGE, {"digest": after.name.digest}
    allows = isinstance(after.name, DigestName) and after.state is Status.VALID
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
        priority=Priority.INFORMATION if allows else Priority.URGENT,
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


def _refused(name: DigestName | ModelName, why: str) -> FailedPrecondition:
    return FailedPrecondition(Reason.STATE_TRANSITION_INVALID, f"{name} {why}", resource=str(name))
