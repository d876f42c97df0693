"""Use cases of trust anchors: list, show, add, remove. Adding and removing take approvals of trust_root_change."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256

from sqlalchemy.engine import Connection

from attestation.model import TrustAnchor
from kms.approvals.model import PlannedAct, ProposedAct
from kms.approvals.service import ApprovalService
from kms.collateral import store
from kms.collateral.anchors import (
    OWN_ANCHORS_MAX,
    AnchorAnswer,
    AnchorName,
    OwnAnchor,
    anchor_name,
    check_anchor,
    log_details,
    not_there,
    terms,
)
from kms.collateral.shelf import CollateralShelf
from kms.collateral.telling import AnchorChange, sign_change
from kms.core.database import Database
from kms.core.errors import Aborted, AlreadyExists, FailedPrecondition, Reason, ResourceExhausted
from kms.core.idempotency import Replays, RequestKey
from kms.core.ids import new_id
from kms.core.randomness import Randomness
from kms.events.appending import Events, Overtaken
from kms.events.model import GLOBAL, SignedEvent
from kms.log.model import LogEntry
from kms.log.service import TransparencyLog

TOPIC = "anchors"
_ATTEMPTS = 3


@dataclass(slots=True, kw_only=True)
class AnchorService:
    """`changed` is called after every change: stored evidence is judged again."""

    database: Database
    log: TransparencyLog
    randomness: Randomness
    approvals: ApprovalService
    shelf: CollateralShelf
    changed: Callable[[], None] = lambda: None
    events: Events | None = None
    """Tells of changes; None where there are no feeds."""
    _replays: Replays[AnchorAnswer] = field(default_factory=lambda: Replays(AnchorAnswer))

    def all(self, tenant: str) -> Sequence[OwnAnchor]:
        """The vendors' and the settings' first, then the tenant's own."""
        return tuple(self.shelf.list_anchors(tenant))

    def get(self, name: AnchorName) -> OwnAnchor:
        """Raises the uniform not-found."""
        found = next((anchor for anchor in self.shelf.list_anchors(name.tenant) if anchor.name == name), None)
        if found is None:
            raise not_there(name)
        return found

    async def add(
        self, tenant: str, anchor: TrustAnchor, *, proposal: str, request: RequestKey, now: datetime, published: bool
    ) -> tuple[AnchorAnswer, bool]:
        """An anchor that counts for this tenant. Gives also whether this is a replay.

        Raises InvalidArgument, AlreadyExists/ANCHOR_EXISTS, FailedPrecondition/KEY_REVOKED, and what
        ApprovalService.consume raises.
        """
        own = OwnAnchor(name=anchor_name(tenant, check_anchor(anchor)), anchor=anchor, create_time=now)

        def act(tx: Connection, told: SignedEvent | None) -> AnchorAnswer:
            self._check_new(tx, own)
            self.approvals.consume(tx, proposal, add_act(own), now)
            if not store.insert_anchor(tx, own):
                raise _exists(own)
            return self._done(tx, own, now, told)

        return await self._once(request, now, own.name, AnchorChange.ADDED, act, published=published)

    async def remove(
        self, name: AnchorName, *, proposal: str, request: RequestKey, now: datetime, published: bool
    ) -> tuple[AnchorAnswer, bool]:
        """One of the tenant's own. Raises the uniform not-found, FailedPrecondition/ANCHOR_BUILT_IN, and as `add`."""

        def act(tx: Connection, told: SignedEvent | None) -> AnchorAnswer:
            own = store.find_anchor(tx, name.tenant, name.spki_sha256)
            if own is None:
                self._refuse_common(name)
                raise not_there(name)
            planned = PlannedAct(act=ProposedAct.TRUST_ROOT_CHANGE, subject=str(name))
            self.approvals.consume(tx, proposal, planned, now)
            store.delete_anchor(tx, name.tenant, name.spki_sha256)
            return self._done(tx, own, now, told)

        return await self._once(request, now, name, AnchorChange.REMOVED, act, published=published)

    def _check_new(self, tx: Connection, own: OwnAnchor) -> None:
        common = any(found.name == own.name and found.create_time is None for found in self.all(own.name.tenant))
        if common or store.find_anchor(tx, own.name.tenant, own.anchor.spki_sha256) is not None:
            raise _exists(own)
        if store.is_revoked(tx, own.name.tenant, own.anchor.spki_sha256):
            raise FailedPrecondition(
                Reason.KEY_REVOKED,
                f"the key of {own.name} was revoked, and is never trusted again here",
                resource=str(own.name),
            )
        if store.count_anchors(tx, own.name.tenant) >= OWN_ANCHORS_MAX:
            raise ResourceExhausted(Reason.QUEUE_FULL, f"a tenant may have {OWN_ANCHORS_MAX} trust anchors of its own")

    def _refuse_common(self, name: AnchorName) -> None:
        if any(found.name == name and found.create_time is None for found in self.all(name.tenant)):
            raise FailedPrecondition(
                Reason.ANCHOR_BUILT_IN,
                f"{name} is built in or named in the server's settings and can not be removed here",
                resource=str(name),
            )

    def _done(self, tx: Connection, own: OwnAnchor, now: datetime, told: SignedEvent | None) -> AnchorAnswer:
        """Log entry and event. What is trusted from now on is told when the log has published it."""
        store.count_change(tx, own.name.tenant, TOPIC, now=now)
        is_there = store.find_anchor(tx, own.name.tenant, own.name.spki_sha256) is not None
        details = log_details(own.anchor)
        if told is not None:
            details["payload_sha256"] = sha256(told.payload).hexdigest()
            details["signed_by"] = told.signature.key_version
        key = new_id(now, self.randomness) if told is None else told.draft.id
        event_type = "anchor.added" if is_there else "anchor.removed"
        promise = self.log.record(tx, LogEntry(key, event_type, own.name.tenant, str(own.name), now, details))
        if told is not None and self.events is not None:
            (self.events.hold if is_there else self.events.append)(tx, told, promise, [GLOBAL])
        return AnchorAnswer(anchor=own, promise=promise)

    async def _once(
        self,
        request: RequestKey,
        now: datetime,
        name: AnchorName,
        change: AnchorChange,
        act: Callable[[Connection, SignedEvent | None], AnchorAnswer],
        *,
        published: bool,
    ) -> tuple[AnchorAnswer, bool]:
        def commit(tx: Connection, told: SignedEvent | None) -> tuple[AnchorAnswer, bool]:
            if (earlier := self._replays.find(tx, request)) is not None:
                return earlier, True
            answer = act(tx, told)
            self._replays.store(tx, request, answer, now)
            return answer, False

        for attempt in range(_ATTEMPTS):
            told = None if self.events is None else await sign_change(self.events, name, change, now)
            try:
                answer, replayed = await self.database.write(lambda tx, told=told: commit(tx, told))  # type: ignore[misc]
            except Overtaken:
                if attempt == _ATTEMPTS - 1:
                    raise Aborted(Reason.ETAG_MISMATCH, f"{name} changes many times at once; retry") from None
                continue
            break
        await self.shelf.load()
        self.changed()
        if self.events is not None:
            self.events.notify(name.tenant)
        return replace(answer, promise=await self.log.confirm(answer.promise, published=published)), replayed


def _exists(own: OwnAnchor) -> AlreadyExists:
    return AlreadyExists(Reason.ANCHOR_EXISTS, f"{own.name} is a trust anchor already", resource=str(own.name))


def add_act(own: OwnAnchor) -> PlannedAct:
    """What approvers agree to: the key is in the subject, what it may vouch for in the parameters."""
    return PlannedAct(act=ProposedAct.TRUST_ROOT_CHANGE, subject=str(own.name), parameters_sha256=terms(own.anchor))
