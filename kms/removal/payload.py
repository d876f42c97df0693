"""What removals say: inside their events (kms.events.payload), in countersignatures, in the root of a day.

"tag:hallmark.local,2026:secevent/odai/event-type/deletion-requested", subject removals/{id}, VALID:
    own members {"removal", "artifact", "consent": name or "", "deadline": RFC 3339, "nonce": base64 of 32 bytes,
    "method": "cryptographic-erase"}; the id of the removal is the jti of the event
".../deletion-completed", the same subject, INVALID for ever: the command is carried out
    {"removal", "artifact", "consent", "grade", "receipt_sha256": hex}
"https://schemas.openid.net/secevent/caep/event-type/device-compliance-change" (CAEP 1.0, section 3.5), subject the
    device: {"previous_status", "current_status": "compliant" | "not-compliant"}
Countersignature: {"grade", "iss", "receipt_sha256", "receipt_time", "removal"}
Day: {"day": YYYY-MM-DD, "iss", "parent", "previous_sha256": hex of the payload of the day before that has one or "",
    "root": hex, "size"}
"""

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hallmark_events.types import DELETION_COMPLETED, DELETION_REQUESTED, DEVICE_COMPLIANCE_CHANGE
from kms.core.canonical import Json, canonical_json
from kms.core.clock import format_time
from kms.core.names import ChildName, DigestName, TenantName
from kms.events.model import Draft, InitiatingEntity, Priority, Status
from kms.removal.model import METHOD, ReceiptGrade, Removal

REQUESTED_REVISION: Final = 1
COMPLETED_REVISION: Final = 2
_REQUESTED: Final = "The permission has ended: delete the artifact."
_OVERDUE: Final = "It was asked to delete and gave no receipt in time."
_NOT_OVERDUE: Final = "It has given the receipts that it owed."


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a device is asked to delete. `user`: pairwise pseudonym of the person, empty without a consent."""

    device: ChildName
    artifact: DigestName
    consent: ChildName | None
    deadline: datetime
    effective_time: datetime
    initiating_entity: InitiatingEntity
    transaction_id: str | None
    user: str = ""
    reason: str = ""


def requested_draft(command: Command, removal: ChildName, nonce: bytes, *, now: datetime) -> Draft:
    """Urgent. Not a permission: VALID says that the command stands."""
    own: dict[str, Json] = {
        "removal": str(removal),
        "artifact": str(command.artifact),
        "consent": _consent(command.consent),
        "deadline": format_time(command.deadline),
        "nonce": base64.b64encode(nonce).decode(),
        "method": METHOD,
    }
    return Draft(
        id=removal.id,
        tenant=removal.tenant,
        uri=DELETION_REQUESTED,
        subject=str(removal),
        revision=REQUESTED_REVISION,
        status=Status.VALID,
        event_time=now,
        effective_time=command.effective_time,
        initiating_entity=command.initiating_entity,
        members={"reason_admin": {"en": _REQUESTED}},
        own=own,
        sub_id=_person(command) if command.user else None,
        transaction_id=command.transaction_id,
    )


def completed_draft(
    removal: Removal, *, event_id: str, grade: ReceiptGrade, receipt: bytes, now: datetime, transaction_id: str
) -> Draft:
    """Closes the command in the device's feed."""
    own: dict[str, Json] = {
        "removal": str(removal.name),
        "artifact": str(removal.artifact),
        "consent": _consent(removal.consent),
        "grade": grade.value,
        "receipt_sha256": hashlib.sha256(receipt).hexdigest(),
    }
    return Draft(
        id=event_id,
        tenant=removal.name.tenant,
        uri=DELETION_COMPLETED,
        subject=str(removal.name),
        revision=COMPLETED_REVISION,
        status=Status.INVALID,
        event_time=now,
        effective_time=now,
        initiating_entity=InitiatingEntity.SYSTEM,
        priority=Priority.INFORMATION,
        own=own,
        transaction_id=transaction_id,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Compliance:
    """`status`: what the feed is to say of the device, which may be out of trust for another reason too."""

    device: ChildName
    compliant: bool
    status: Status
    revision: int


def compliance_draft(change: Compliance, *, event_id: str, now: datetime) -> Draft:
    """There is no call behind it: its txn is its own id."""
    before, after = ("not-compliant", "compliant") if change.compliant else ("compliant", "not-compliant")
    return Draft(
        id=event_id,
        tenant=change.device.tenant,
        uri=DEVICE_COMPLIANCE_CHANGE,
        subject=str(change.device),
        revision=change.revision,
        status=change.status,
        event_time=now,
        effective_time=now,
        initiating_entity=InitiatingEntity.POLICY,
        priority=Priority.INFORMATION if change.compliant else Priority.URGENT,
        members={
            "previous_status": before,
            "current_status": after,
            "reason_admin": {"en": _NOT_OVERDUE if change.compliant else _OVERDUE},
        },
        transaction_id=event_id,
    )


def countersigned_payload(
    removal: ChildName, receipt: bytes, grade: ReceiptGrade, *, issuer: str, now: datetime
) -> bytes:
    """That this receipt came, what it was found to be worth, and when."""
    return canonical_json(
        {
            "grade": grade.value,
            "iss": issuer,
            "receipt_sha256": hashlib.sha256(receipt).hexdigest(),
            "receipt_time": format_time(now),
            "removal": str(removal),
        }
    )


def day_payload(tenant: str, day: str, *, root: bytes, size: int, previous: bytes, issuer: str) -> bytes:
    """`previous`: the payload of the tenant's day before, so that none can be left out later; empty for the first."""
    return canonical_json(
        {
            "day": day,
            "iss": issuer,
            "parent": str(TenantName(tenant)),
            "previous_sha256": hashlib.sha256(previous).hexdigest() if previous else "",
            "root": root.hex(),
            "size": size,
        }
    )


def day_record(removal: Removal, end: datetime) -> bytes:
    """A leaf: the facts about one removal as they were at `end`; later ones are null. Anybody who may read the removal
    can make it again.
    """
    deleted = removal.receipt_time is not None and removal.receipt_time < end
    return canonical_json(
        {
            "acknowledge_time": _until(removal.acknowledge_time, end),
            "artifact": str(removal.artifact),
            "consent": _consent(removal.consent),
            "deadline": format_time(removal.deadline),
            "deliver_time": _until(removal.deliver_time, end),
            "device": str(removal.device),
            "effective_time": format_time(removal.effective_time),
            "grade": removal.grade.value if deleted and removal.grade is not None else None,
            "issue_time": format_time(removal.issue_time),
            "lease_end_time": None if removal.lease_end_time is None else format_time(removal.lease_end_time),
            "receipt_time": _until(removal.receipt_time, end),
            "removal": str(removal.name),
        }
    )


def _until(moment: datetime | None, end: datetime) -> str | None:
    return None if moment is None or moment >= end else format_time(moment)


def _consent(name: ChildName | None) -> str:
    return "" if name is None else str(name)


def _person(command: Command) -> dict[str, Json]:
    """SSF 1.0, section 3.5."""
    tenant = str(TenantName(command.device.tenant))
    return {
        "format": "complex",
        "device": {"format": "opaque", "id": str(command.device)},
        "tenant": {"format": "opaque", "id": tenant},
        "user": {"format": "opaque", "id": command.user},
    }
