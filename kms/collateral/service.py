"""Use cases of collateral: take it in, list it, take it out.

Taking in, hop by hop: (1) no transaction: the bytes are parsed and verified; (2) one write transaction: not older than
what is in force, the item, the bytes in the archive, a count of the change, the log entry, and for calls the answer for
replays; (3) the shelf takes it up, and stored evidence is judged again.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy.engine import Connection

from attestation.errors import CollateralError
from kms.approvals.model import PlannedAct, ProposedAct
from kms.approvals.service import ApprovalService
from kms.collateral import store
from kms.collateral.model import (
    COLLECTION,
    ITEMS_MAX,
    SYSTEM_TENANT,
    CollateralAnswer,
    CollateralItem,
    CollateralKind,
    CollateralState,
    Reading,
    SourceStatus,
    check_issued,
    falls_behind,
)
from kms.collateral.readers import Delivery, read_collateral
from kms.collateral.shelf import CollateralShelf
from kms.core.canonical import Json
from kms.core.clock import format_time
from kms.core.database import Database
from kms.core.errors import FailedPrecondition, InvalidArgument, Reason, ResourceExhausted
from kms.core.idempotency import Replays, RequestKey
from kms.core.ids import new_id
from kms.core.names import ChildName
from kms.core.randomness import Randomness
from kms.log.model import LogEntry, LogPromise
from kms.log.service import TransparencyLog

STATUS_MAX_AGE = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Bytes that somebody brings, and where they are from."""

    kind: CollateralKind
    data: bytes
    source: str
    fetched_at: datetime
    label: str = ""


@dataclass(slots=True, kw_only=True)
class CollateralService:
    """`changed` is called after every change: stored evidence is judged again. `max_age`: where the issuer gives no
    end of its own (Android's status list), older is shown as stale; what is refused is for the policy to say.
    """

    database: Database
    log: TransparencyLog
    randomness: Randomness
    approvals: ApprovalService
    shelf: CollateralShelf
    changed: Callable[[], None] = lambda: None
    max_age: timedelta = STATUS_MAX_AGE
    _statuses: dict[tuple[CollateralKind, str], SourceStatus] = field(default_factory=dict)
    _replays: Replays[CollateralAnswer] = field(default_factory=lambda: Replays(CollateralAnswer))

    async def put(
        self, tenant: str, offer: Offer, *, proposal: str, request: RequestKey, now: datetime, published: bool
    ) -> tuple[CollateralAnswer, bool]:
        """For this tenant alone, before what the operator provides. Gives also whether this is a replay.

        Raises InvalidArgument/COLLATERAL_INVALID, FailedPrecondition/COLLATERAL_OUTDATED, and for kinds that no vendor
        signs what ApprovalService.consume raises.
        """
        earlier = await self.database.read(lambda tx: self._replays.find(tx, request))
        if earlier is not None:
            await self._taken_up(changed=earlier.changed)  # the first call may have died between commit and this
            return await self._confirmed(earlier, published=published), True
        reading = await self._read(tenant, offer, now)

        def commit(tx: Connection) -> tuple[CollateralAnswer, bool]:
            if (first := self._replays.find(tx, request)) is not None:
                return first, True
            if not offer.kind.signed_by_vendor:
                self.approvals.consume(tx, proposal, put_act(tenant, offer), now)
            self._check_room(tx, tenant, reading)
            item, changed = self._settle(tx, tenant, reading, offer, now)
            answer = CollateralAnswer(item=item, changed=changed, promise=self._record(tx, "updated", item, now))
            self._replays.store(tx, request, answer, now)
            return answer, False

        answer, replayed = await self.database.write(commit)
        await self._taken_up(changed=answer.changed)
        return await self._confirmed(answer, published=published), replayed

    async def take_in(self, offer: Offer, *, now: datetime) -> tuple[CollateralItem, bool]:
        """What the operator provides for all tenants, and whether it is new. Logged when it is.

        Raises InvalidArgument/COLLATERAL_INVALID and FailedPrecondition/COLLATERAL_OUTDATED; then what is in force
        stays.
        """
        reading = await self._read(SYSTEM_TENANT, offer, now)

        def commit(tx: Connection) -> tuple[CollateralItem, bool]:
            item, changed = self._settle(tx, SYSTEM_TENANT, reading, offer, now)
            if changed:
                self._record(tx, "updated", item, now)
            return item, changed

        item, changed = await self.database.write(commit)
        await self._taken_up(changed=changed)
        return item, changed

    async def remove(
        self, name: ChildName, *, proposal: str, request: RequestKey, now: datetime, published: bool
    ) -> tuple[CollateralAnswer, bool]:
        """A tenant's own piece; what the operator provides is in force again. Raises the uniform not-found."""

        def commit(tx: Connection) -> tuple[CollateralAnswer, bool]:
            if (earlier := self._replays.find(tx, request)) is not None:
                return earlier, True
            item = store.find_item_by_name(tx, name)
            planned = PlannedAct(act=ProposedAct.TRUST_ROOT_CHANGE, subject=str(name))
            self.approvals.consume(tx, proposal, planned, now)
            store.delete_item(tx, item)
            store.count_change(tx, item.owner, item.kind, now=now)
            answer = CollateralAnswer(item=item, changed=True, promise=self._record(tx, "removed", item, now))
            self._replays.store(tx, request, answer, now)
            return answer, False

        answer, replayed = await self.database.write(commit)
        await self._taken_up(changed=True)
        return await self._confirmed(answer, published=published), replayed

    def items(self, tenant: str, *, now: datetime) -> list[tuple[CollateralItem, CollateralState]]:
        """What is in force for the tenant, by kind: its own, and what the operator provides."""
        return [
            (item, self._state(item, overridden=overridden, now=now)) for item, overridden in self.shelf.items(tenant)
        ]

    def sources(self) -> list[SourceStatus]:
        """How the last attempt at each of the operator's sources went, in this process."""
        return [status for _, status in sorted(self._statuses.items())]

    def note_attempt(self, status: SourceStatus) -> None:
        self._statuses[status.kind, status.source] = status

    def _state(self, item: CollateralItem, *, overridden: bool, now: datetime) -> CollateralState:
        if overridden:
            return CollateralState.OVERRIDDEN
        max_age = self.max_age if item.kind is CollateralKind.ANDROID_STATUS else None
        return CollateralState.STALE if item.stale(max_age=max_age, now=now) else CollateralState.IN_FORCE

    async def _read(self, owner: str, offer: Offer, now: datetime) -> Reading:
        delivery = Delivery(offer.data, offer.fetched_at, self.shelf.anchors(owner), offer.label)
        try:
            reading = await asyncio.to_thread(read_collateral, offer.kind, delivery)
            check_issued(reading, now)
        except CollateralError as error:
            raise InvalidArgument(Reason.COLLATERAL_INVALID, f"{offer.kind}: {error}", field="data") from error
        return reading

    def _settle(
        self, tx: Connection, owner: str, reading: Reading, offer: Offer, now: datetime
    ) -> tuple[CollateralItem, bool]:
        """Puts it in force. The same bytes again only show that they are still what the source says."""
        current = store.find_item(tx, owner, reading.kind, reading.key)
        if current is not None and falls_behind(reading.version, current.version):
            raise _outdated(reading, "is older than the one in force", current)
        everybodys = store.find_item(tx, SYSTEM_TENANT, reading.kind, reading.key)
        for known in filter(None, (current, everybodys)):
            if _expired(reading.next_update, now) and not _expired(known.next_update, now):
                raise _outdated(reading, "is past its time, and there is one in force that is not", known)
        item = _item(reading, offer, current, owner=owner, id_if_new=new_id(now, self.randomness), now=now)
        if current is not None and current.sha256 == item.sha256:
            store.set_fetched(tx, item, at=item.fetch_time)
            return item, False
        store.archive(tx, reading.archived, now=now)
        store.save_item(tx, item)
        store.count_change(tx, owner, reading.kind, now=now)
        return item, True

    def _check_room(self, tx: Connection, tenant: str, reading: Reading) -> None:
        known = store.find_item(tx, tenant, reading.kind, reading.key) is not None
        if not known and store.count_items(tx, tenant) >= ITEMS_MAX:
            raise ResourceExhausted(
                Reason.QUEUE_FULL, f"a tenant may keep {ITEMS_MAX} pieces of collateral; remove one it does not need"
            )

    def _record(self, tx: Connection, act: str, item: CollateralItem, now: datetime) -> LogPromise:
        key = new_id(now, self.randomness)
        return self.log.record(
            tx, LogEntry(key, f"collateral.{act}", item.owner, str(item.name), now, _log_details(item))
        )

    async def _taken_up(self, *, changed: bool) -> None:
        await self.shelf.load()
        if changed:
            self.changed()

    async def _confirmed(self, answer: CollateralAnswer, *, published: bool) -> CollateralAnswer:
        return replace(answer, promise=await self.log.confirm(answer.promise, published=published))


def put_act(tenant: str, offer: Offer) -> PlannedAct:
    """What approvers of a piece that no vendor signs agree to: kind and label as the subject, and its SHA-256."""
    subject = "/".join(filter(None, (f"tenants/{tenant}", COLLECTION, offer.kind.value, offer.label)))
    return PlannedAct(act=ProposedAct.TRUST_ROOT_CHANGE, subject=subject, parameters_sha256=sha256(offer.data).digest())


def _expired(next_update: datetime | None, now: datetime) -> bool:
    return next_update is not None and now > next_update


def _outdated(reading: Reading, why: str, known: CollateralItem) -> FailedPrecondition:
    return FailedPrecondition(
        Reason.COLLATERAL_OUTDATED,
        f"this {reading.kind} {why}, whose SHA-256 is {known.sha256}",
        resource=str(known.name),
    )


def _item(
    reading: Reading, offer: Offer, current: CollateralItem | None, *, owner: str, id_if_new: str, now: datetime
) -> CollateralItem:
    digest = reading.archived.sha256
    same = current is not None and current.sha256 == digest
    return CollateralItem(
        name=ChildName(owner, COLLECTION, id_if_new) if current is None else current.name,
        kind=reading.kind,
        key=reading.key,
        sha256=digest,
        source=offer.source,
        size=len(offer.data),
        version=reading.version,
        issue_time=reading.issue_time,
        next_update=reading.next_update,
        fetch_time=offer.fetched_at,
        update_time=current.update_time if same and current is not None else now,
    )


def _log_details(item: CollateralItem) -> dict[str, Json]:
    return {
        "issue_time": None if item.issue_time is None else format_time(item.issue_time),
        "key": item.key,
        "kind": item.kind.value,
        "next_update": None if item.next_update is None else format_time(item.next_update),
        "sha256": item.sha256,
    }
