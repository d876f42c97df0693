"""A device's receipt: a Security Event Token claims set of type deletion-completed, read strictly.

Own members, exactly these: {"removal", "request_jti", "artifact", "consent": name or "", "method",
"epoch_before": int, "epoch_after": int, "audit_head": 64 hex digits, "boot_id": UUID, "device_time": RFC 3339,
"nonce": base64}. "iss" is the device's name, "sub_id" and "subject" the removal's, the status INVALID, revision 2.
"""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from hallmark_events.canonical import parse_base64, parse_hex, parse_time
from hallmark_events.errors import EventInvalid
from hallmark_events.event_set import EventSet
from hallmark_events.types import DELETION_COMPLETED, StatusValue
from kms.core.errors import InvalidArgument, Reason
from kms.core.names import UUID_PATTERN
from kms.removal.model import METHOD, Removal
from kms.removal.payload import COMPLETED_REVISION

SET_BYTES_MAX: Final = 8 * 1024
_EVERY_EVENT: Final = frozenset({"subject", "revision", "status", "effective_time", "event_time"})
_OWN: Final = frozenset(
    {
        "removal", "request_jti", "artifact", "consent", "method", "epoch_before", "epoch_after", "audit_head",
        "boot_id", "device_time", "nonce",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptFacts:
    """What the device says, and nobody has vouched for yet. `audit_head`: 32 bytes, the end of its own hash chain."""

    jti: str
    epoch_before: int
    epoch_after: int
    audit_head: bytes
    boot_id: str
    device_time: datetime


def read_receipt(data: bytes, removal: Removal) -> ReceiptFacts:
    """Of this removal and no other. Raises InvalidArgument: FIELD_INVALID, CHALLENGE_MISMATCH for another nonce."""
    if len(data) > SET_BYTES_MAX:
        raise refused(f"may have {SET_BYTES_MAX} bytes")
    try:
        event = EventSet.parse(data)
        facts = _facts(event.jti, event.own)
        nonce = parse_base64(event.own["nonce"], what="nonce", refuse=EventInvalid)
    except EventInvalid as error:
        raise refused(f"is not understood: {error}") from error
    _check_envelope(event, removal)
    wanted: dict[str, Any] = {
        "removal": str(removal.name),
        "request_jti": removal.name.id,
        "artifact": str(removal.artifact),
        "consent": "" if removal.consent is None else str(removal.consent),
        "method": METHOD,
    }
    for name, value in wanted.items():
        if event.own[name] != value:
            raise refused(f"has another {name} than the request: {value!r} is meant")
    if not hmac.compare_digest(nonce, removal.nonce):
        raise refused("has another nonce than the request", Reason.CHALLENGE_MISMATCH)
    return facts


def refused(sentence: str, reason: Reason = Reason.FIELD_INVALID, field: str = "receipt.set") -> InvalidArgument:
    return InvalidArgument(reason, f"{field} {sentence}", field=field)


def _check_envelope(event: EventSet, removal: Removal) -> None:
    wanted = {
        "event type": (event.uri, DELETION_COMPLETED),
        "iss": (event.issuer, str(removal.device)),
        "subject": (event.subject, str(removal.name)),
        "status": (event.status, StatusValue.INVALID),
        "revision": (event.revision, COMPLETED_REVISION),
    }
    for name, (found, right) in wanted.items():
        if found != right:
            raise refused(f"has another {name}: {getattr(right, 'name', right)!r} is meant")


def _facts(jti: str, own: Mapping[str, Any]) -> ReceiptFacts:
    if own.keys() - _EVERY_EVENT != _OWN:
        raise EventInvalid(f"its own members are not exactly {', '.join(sorted(_OWN))}")
    before, after = own["epoch_before"], own["epoch_after"]
    if type(before) is not int or type(after) is not int or not 0 <= before < after:
        raise EventInvalid("the epoch after the deletion is not greater than the one before")
    boot_id = own["boot_id"]
    if not isinstance(boot_id, str) or not re.fullmatch(UUID_PATTERN, boot_id):
        raise EventInvalid("boot_id is not a UUID in lower case")
    return ReceiptFacts(
        jti=jti,
        epoch_before=before,
        epoch_after=after,
        audit_head=parse_hex(own["audit_head"], 32, what="audit_head", refuse=EventInvalid),
        boot_id=boot_id,
        device_time=parse_time(own["device_time"], what="device_time", refuse=EventInvalid),
    )
