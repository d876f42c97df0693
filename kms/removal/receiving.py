"""SubmitDeletionReceipt: a receipt is checked, graded, countersigned, logged, and the command is closed.

Hop by hop: (1) a read transaction: seen before? the device's own removal? (2) no transaction: the receipt is read and
its proofs are checked, countersignature and closing event are signed; (3) one write transaction: receipt, state, log
entry, event, answer for replays. A refusal writes nothing and takes nothing away. When another receipt came between
(2) and (3), (2) begins again.
"""

import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from sqlalchemy.engine import Connection

from attestation.model import Evidence
from kms.core.canonical import Json
from kms.core.errors import FailedPrecondition, Reason, Unavailable, not_found
from kms.core.idempotency import Replays, RequestKey
from kms.core.names import ChildName
from kms.devices import store as device_store
from kms.devices.model import Device
from kms.events.appending import Events
from kms.events.model import SIGNING_KEY_ID, SignedEvent, device_feed
from kms.keys.model import ServiceSignature
from kms.log.model import LogEntry
from kms.removal import overdue_store, receipt_store, store
from kms.removal.evidence import EvidenceJudge
from kms.removal.model import COUNTERSIGNATURE_CONTEXT, Receipt, ReceiptGrade, Removal, RemovalState
from kms.removal.payload import completed_draft, countersigned_payload
from kms.removal.proofs import check_receipt_signature
from kms.removal.receipts import read_receipt

ROUNDS_MAX = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What came, bounds checked. `evidence_bytes`: the message as it is kept, empty without evidence."""

    set: bytes
    signature: bytes = b""
    evidence: Evidence | None = None
    evidence_bytes: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitAnswer:
    """What SubmitDeletionReceipt remembers for a replay: the id of the removal."""

    removal: str


@dataclass(frozen=True, slots=True)
class _Decision:
    """All that is to be written. `closing` is None when the command was closed before."""

    grade: ReceiptGrade
    countersigned: bytes
    countersignature: ServiceSignature
    entry_id: str
    closing: SignedEvent | None


class _ReceiptCame(Exception):
    """Another one, since the decision was made."""


@dataclass(slots=True, kw_only=True)
class ReceiptService:
    events: Events
    judge: EvidenceJudge
    _replays: Replays[SubmitAnswer] = field(default_factory=lambda: Replays(SubmitAnswer))

    async def submit(
        self,
        name: ChildName,
        device: ChildName | None,
        given: Submission,
        *,
        request: RequestKey,
        transaction_id: str,
        now: datetime,
        published: bool,
    ) -> tuple[Removal, bool]:
        """The removal with its receipt, and whether it was there before. `device`: who calls.

        Raises the uniform not-found for what is not this device's, InvalidArgument and FailedPrecondition that say what
        is wrong with the receipt, FailedPrecondition/STATE_TRANSITION_INVALID for one that is no better than another.
        """
        for _ in range(ROUNDS_MAX):
            found, is_replay = await self.events.database.read(partial(self._find, name, device, request))
            if is_replay:
                return await self._confirmed(found, published=published), True
            decision = await self._decide(found, given, transaction_id, now)
            if decision is None:
                await self.events.database.write(partial(self._remember, name, request, now))
                return await self._confirmed(found, published=published), True
            try:
                made = await self.events.database.write(partial(self._commit, name, given, decision, request, now))
            except _ReceiptCame:
                continue
            self.events.notify(name.tenant)
            return await self._confirmed(made, published=published), False
        raise Unavailable(Reason.QUEUE_FULL, f"{name} gets many receipts at once; retry", retry_after_seconds=1)

    def _find(
        self, name: ChildName, device: ChildName | None, request: RequestKey, tx: Connection
    ) -> tuple[Removal, bool]:
        is_replay = self._replays.find(tx, request) is not None
        found = store.find(tx, name)
        if found is None or device is None or found.device != device:
            raise not_found(str(name))
        return replace(found, receipt=receipt_store.find_best(tx, name)), is_replay

    async def _decide(
        self, removal: Removal, given: Submission, transaction_id: str, now: datetime
    ) -> _Decision | None:
        """None: this very receipt is there already."""
        grade = await self._grade(removal, given, now)
        if not grade.is_better_than(removal.grade):
            assert removal.receipt is not None and removal.grade is not None  # noqa: PT018 - a grade comes with one
            if grade is removal.grade and removal.receipt.set == given.set:
                return None
            raise FailedPrecondition(
                Reason.STATE_TRANSITION_INVALID,
                f"{removal.name} has a receipt of grade {removal.grade} already; one of grade {grade} adds nothing",
                resource=str(removal.name),
            )
        payload = countersigned_payload(removal.name, given.set, grade, issuer=self.events.issuer, now=now)
        signing, event_id = self.events.signing, self.events.new_id(now)
        countersignature = await signing.sign_as_service(SIGNING_KEY_ID, payload, COUNTERSIGNATURE_CONTEXT, now)
        closing = None
        if removal.grade is None:
            draft = completed_draft(
                removal, event_id=event_id, grade=grade, receipt=given.set, now=now, transaction_id=transaction_id
            )
            closing = await self.events.sign(draft, now)
        return _Decision(grade, payload, countersignature, event_id, closing)

    async def _grade(self, removal: Removal, given: Submission, now: datetime) -> ReceiptGrade:
        """What the receipt is worth by all that came with it. Everything that came must hold."""
        facts = read_receipt(given.set, removal)
        device = await self._device(removal.device)
        grade = ReceiptGrade.A0
        if given.signature:
            check_receipt_signature(given.set, given.signature, key_spki=device.key_spki)
            grade = ReceiptGrade.A1
        if given.evidence is not None:
            await self.judge.check(given.evidence, given.set, facts, device, now=now)
            grade = ReceiptGrade.A2
        return grade

    async def _device(self, name: ChildName) -> Device:
        device = await self.events.database.read(lambda tx: device_store.find_device(tx, name))
        if device is None:
            raise not_found(str(name))
        return device

    def _commit(
        self,
        name: ChildName,
        given: Submission,
        decision: _Decision,
        request: RequestKey,
        now: datetime,
        tx: Connection,
    ) -> Removal:
        """Raises _ReceiptCame, and then nothing is written."""
        before = store.lock(tx, name)
        assert before is not None  # removals are kept
        if not decision.grade.is_better_than(before.grade) or (before.grade is None) is (decision.closing is None):
            raise _ReceiptCame
        promise = self.events.log.record(tx, _log_entry(name, given, decision, now))
        receipt = Receipt(
            set=given.set,
            signature=given.signature,
            evidence=given.evidence_bytes,
            grade=decision.grade,
            receive_time=now,
            countersigned=decision.countersigned,
            countersignature=decision.countersignature,
            promise=promise,
        )
        receipt_store.insert(tx, name, receipt)
        store.set_deleted(tx, name, decision.grade, now)
        if decision.closing is not None:
            self.events.append(tx, decision.closing, promise, [device_feed(before.device)])
        if before.state is RemovalState.OVERDUE:
            overdue_store.note(tx, before.device)
        self._remember(name, request, now, tx)
        after = store.find(tx, name)
        assert after is not None
        return replace(after, receipt=receipt)

    def _remember(self, name: ChildName, request: RequestKey, now: datetime, tx: Connection) -> None:
        if self._replays.find(tx, request) is None:
            self._replays.store(tx, request, SubmitAnswer(removal=name.id), now)

    async def _confirmed(self, removal: Removal, *, published: bool) -> Removal:
        receipt = removal.receipt
        assert receipt is not None
        promise = await self.events.log.confirm(receipt.promise, published=published)
        return replace(removal, receipt=replace(receipt, promise=promise))


def _log_entry(name: ChildName, given: Submission, decision: _Decision, now: datetime) -> LogEntry:
    details: dict[str, Json] = {
        "countersigned_sha256": hashlib.sha256(decision.countersigned).hexdigest(),
        "grade": decision.grade.value,
        "receipt_sha256": hashlib.sha256(given.set).hexdigest(),
        "signed_by": decision.countersignature.key_version,
    }
    if given.evidence_bytes:
        details["evidence_sha256"] = hashlib.sha256(given.evidence_bytes).hexdigest()
    if decision.closing is not None:
        details["payload_sha256"] = hashlib.sha256(decision.closing.payload).hexdigest()
    return LogEntry(decision.entry_id, "removal.completed", name.tenant, str(name), now, details)
