"""Asking a device to delete: because a consent ended (kms.consent.removal_port), or by an operator's own decision.

RequestDeletion, hop by hop: (1) a read transaction: seen before? is the device there? (2) no transaction: the command
is signed; (3) one write transaction: row, log entry, event in the device's feed, leases ended, answer for replays.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.engine import Connection

from kms.consent.removal_port import Prepared, RemovalOrder
from kms.core.clock import format_time
from kms.core.errors import InvalidArgument, Reason, not_found
from kms.core.idempotency import Replays, RequestKey
from kms.core.names import ChildName, DigestName
from kms.devices import store as device_store
from kms.events.appending import Events
from kms.events.model import InitiatingEntity, SignedEvent, device_feed
from kms.log.model import LogEntry
from kms.removal import store
from kms.removal.model import (
    COLLECTION,
    DEADLINE_DEFAULT,
    DEADLINE_LEAST,
    DEADLINE_MOST,
    NONCE_BYTES,
    REASON_CHARACTERS_MAX,
    Removal,
    RemovalState,
)
from kms.removal.payload import Command, requested_draft
from kms.removal.ports import Leases


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestAnswer:
    """What RequestDeletion remembers for a replay: the id of the removal."""

    removal: str


@dataclass(frozen=True, slots=True)
class _Signed:
    name: ChildName
    command: Command
    nonce: bytes
    event: SignedEvent


@dataclass(slots=True, kw_only=True)
class RemovalOrders:
    """The port of kms.consent, and RequestDeletion. `unreachable`: unheard for so long, a device counts as that."""

    events: Events
    leases: Leases
    unreachable: timedelta
    _replays: Replays[RequestAnswer] = field(default_factory=lambda: Replays(RequestAnswer))

    async def prepare(self, order: RemovalOrder, now: datetime) -> Prepared:
        """As kms.consent.removal_port says."""
        signed = await self._sign(_command(order), now)
        return Prepared(removal=signed.name, order=order, nonce=signed.nonce, event=signed.event)

    def request_in(self, tx: Connection, prepared: Prepared) -> None:
        """As kms.consent.removal_port says."""
        self._insert(tx, _Signed(prepared.removal, _command(prepared.order), prepared.nonce, prepared.event))

    async def request(
        self,
        device: ChildName,
        artifact: DigestName,
        *,
        deadline: datetime | None,
        reason: str,
        initiating_entity: InitiatingEntity,
        request: RequestKey,
        transaction_id: str,
        now: datetime,
    ) -> Removal:
        """A removal without a consent that ended. Every lease of the device for the artifact ends with it.

        Raises InvalidArgument for a deadline under a minute or over 30 days away, the uniform not-found.
        """
        command = Command(
            device=device,
            artifact=artifact,
            consent=None,
            deadline=_deadline(deadline, now),
            effective_time=now,
            initiating_entity=initiating_entity,
            transaction_id=transaction_id,
            reason=_reason(reason),
        )
        earlier = await self.events.database.read(partial(self._find, device=device, request=request))
        if earlier is not None:
            return earlier
        signed = await self._sign(command, now)
        made = await self.events.database.write(partial(self._commit, signed=signed, request=request, now=now))
        self.events.notify(device.tenant)
        return made

    async def _sign(self, command: Command, now: datetime) -> _Signed:
        name = ChildName(command.device.tenant, COLLECTION, self.events.new_id(now))
        nonce = self.events.randomness.bytes(NONCE_BYTES)
        return _Signed(
            name, command, nonce, await self.events.sign(requested_draft(command, name, nonce, now=now), now)
        )

    def _find(self, tx: Connection, *, device: ChildName, request: RequestKey) -> Removal | None:
        """The earlier answer. Raises the uniform not-found for a device that is not there."""
        answer = self._replays.find(tx, request)
        if answer is not None:
            return store.find(tx, ChildName(device.tenant, COLLECTION, answer.removal))
        if device_store.find_state(tx, device) is None:
            raise not_found(str(device))
        return None

    def _commit(self, tx: Connection, *, signed: _Signed, request: RequestKey, now: datetime) -> Removal:
        earlier = self._find(tx, device=signed.command.device, request=request)
        if earlier is not None:
            return earlier
        made = self._insert(tx, signed)
        self.leases.end_in(tx, made.device, made.artifact, now)
        self._replays.store(tx, request, RequestAnswer(removal=made.name.id), now)
        return made

    def _insert(self, tx: Connection, signed: _Signed) -> Removal:
        command, event = signed.command, signed.event
        made = Removal(
            name=signed.name,
            device=command.device,
            artifact=command.artifact,
            consent=command.consent,
            state=RemovalState.ISSUED,
            nonce=signed.nonce,
            effective_time=command.effective_time,
            deadline=command.deadline,
            issue_time=event.draft.event_time,
            lease_end_time=self.leases.last_end(tx, command.device, command.artifact),
            reason=command.reason,
        )
        check_time = store.first_check(made.issue_time, made.deadline, self.unreachable)
        store.insert(tx, made, check_time=check_time)
        promise = self.events.log.record(tx, _log_entry(made, event))
        self.events.append(tx, event, promise, [device_feed(made.device)])
        return made


def _command(order: RemovalOrder) -> Command:
    return Command(
        device=order.device,
        artifact=order.artifact,
        consent=order.consent,
        deadline=order.deadline,
        effective_time=order.effective_time,
        initiating_entity=order.initiating_entity,
        transaction_id=order.transaction_id,
        user=order.user,
    )


def _deadline(asked: datetime | None, now: datetime) -> datetime:
    if asked is None:
        return now + DEADLINE_DEFAULT
    if not now + DEADLINE_LEAST <= asked <= now + DEADLINE_MOST:
        sentence = f"deadline must be 1 minute to 30 days from now (it is {format_time(now)} here)"
        raise InvalidArgument(Reason.FIELD_INVALID, sentence, field="deadline")
    return asked


def _reason(text: str) -> str:
    if len(text) > REASON_CHARACTERS_MAX or not text.isprintable():
        sentence = f"reason may have {REASON_CHARACTERS_MAX} printable characters"
        raise InvalidArgument(Reason.FIELD_INVALID, sentence, field="reason")
    return text


def _log_entry(made: Removal, event: SignedEvent) -> LogEntry:
    details = {
        "deadline": format_time(made.deadline),
        "effective_time": format_time(made.effective_time),
        "payload_sha256": hashlib.sha256(event.payload).hexdigest(),
        "signed_by": event.signature.key_version,
    }
    return LogEntry(made.name.id, "removal.requested", made.name.tenant, str(made.name), made.issue_time, details)
