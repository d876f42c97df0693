"""Use cases of artifacts: suspend, resume, raise a model's minimum version, list. Revoking is kms.revocation.

A change, hop by hop: (1) a read transaction: what is said now? (2) no transaction: the service signs the event; (3) one
write transaction: the status by compare-and-set, log entry, event, answer for replays. What ends a suspension allows
something: its event waits for the log's proof. The others are in the global feed with the commit.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy.engine import Connection

from kms.artifacts import store
from kms.artifacts.changing import Asker, SignedChange, StatusChanges, next_status
from kms.artifacts.model import COLLECTION, VERSION_MAX, ArtifactAnswer, ArtifactStatus, ModelName
from kms.core.errors import FailedPrecondition, InvalidArgument, Reason, Unavailable
from kms.core.idempotency import Replays
from kms.core.names import DigestName
from kms.events.appending import Events, Overtaken
from kms.events.model import Status
from kms.log.model import LogPromise

_ROUNDS_MAX = 8


Outcome = tuple[ArtifactStatus, LogPromise, bool]
"""The status as the call left it, the promise of its log entry, and whether this is a replay."""
Change = Callable[[ArtifactStatus | None], ArtifactStatus]


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
            return next_status(name, before, state=state, now=asker.now)

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
            return next_status(name, before, minimum_version=version, now=asker.now)

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
            signed = await StatusChanges(self.events).sign(after, asker)
            try:
                answer, replayed = await database.write(partial(self._commit, signed=signed, asker=asker))
            except Overtaken:
                continue
            self.events.notify(name.tenant)
            return await self._outcome(answer, asker, replayed=replayed)
        raise Unavailable(Reason.QUEUE_FULL, f"{name} changes many times at once; retry", retry_after_seconds=1)

    def _commit(self, tx: Connection, *, signed: SignedChange, asker: Asker) -> tuple[ArtifactAnswer, bool]:
        if (earlier := self._replays.find(tx, asker.request)) is not None:
            return earlier, True
        after, promise = signed.after, StatusChanges(self.events).change_in(tx, signed)
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


def _refused(name: DigestName | ModelName, why: str) -> FailedPrecondition:
    return FailedPrecondition(Reason.STATE_TRANSITION_INVALID, f"{name} {why}", resource=str(name))
