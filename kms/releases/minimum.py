"""Raising the minimum version of a model in the transaction of a release, so that both are told or neither.

In two steps, as every event: signed before the transaction (the HSM is never asked inside one), written within it by
compare and set. The rules are those of kms.artifacts: it only goes up, and the event is in the global feed at once.
"""

import hashlib
from dataclasses import dataclass, replace

from sqlalchemy.engine import Connection

from kms.artifacts import store
from kms.artifacts.model import ARTIFACT_SUPERSEDED, ArtifactStatus, ModelName
from kms.artifacts.service import Asker
from kms.core.canonical import Json
from kms.events.appending import Events, Overtaken
from kms.events.model import GLOBAL, Draft, Priority, SignedEvent, Status
from kms.log.model import LogEntry


@dataclass(frozen=True, slots=True)
class Raised:
    """Signed and not done yet. `before`: the revision it follows, 0 for none."""

    after: ArtifactStatus
    before: int
    event: SignedEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class MinimumVersions:
    events: Events

    async def prepare(
        self, model: ModelName, version: int, before: ArtifactStatus | None, asker: Asker
    ) -> Raised | None:
        """None where `before` says so much already. Raises what the HSM raises."""
        if version <= (0 if before is None else before.minimum_version):
            return None
        first = ArtifactStatus(
            name=model, state=Status.VALID, minimum_version=version, revision=1, update_time=asker.now
        )
        after = first if before is None else replace(first, revision=before.revision + 1)
        draft = Draft(
            id=self.events.new_id(asker.now),
            tenant=model.tenant,
            uri=ARTIFACT_SUPERSEDED,
            subject=str(model),
            revision=after.revision,
            status=after.state,
            event_time=asker.now,
            effective_time=asker.now,
            initiating_entity=asker.initiating_entity,
            priority=Priority.URGENT,
            own={"min_version": version},
            transaction_id=asker.transaction_id,
        )
        return Raised(after, after.revision - 1, await self.events.sign(draft, asker.now))

    def raise_in(self, tx: Connection, raised: Raised) -> None:
        """Row, log entry and event. Raises Overtaken when something else was said of the model meanwhile."""
        if not store.save(tx, raised.after, before=raised.before):
            raise Overtaken(str(raised.after.name))
        event, model = raised.event, raised.after.name
        details: dict[str, Json] = {
            "minimum_version": raised.after.minimum_version,
            "payload_sha256": hashlib.sha256(event.payload).hexdigest(),
            "revision": raised.after.revision,
            "signed_by": event.signature.key_version,
        }
        kind, when = "model.minimum-version-set", event.draft.event_time
        entry = LogEntry(event.draft.id, kind, model.tenant, str(model), when, details)
        self.events.append(tx, event, self.events.log.record(tx, entry), [GLOBAL])
