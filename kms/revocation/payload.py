"""What revocations say inside their events (kms.events.payload), and the heartbeat of the back office's watch.

A credential that is revoked (CAEP 1.0, section 3.3):
  "https://schemas.openid.net/secevent/caep/event-type/credential-change": {
      "change_type": "revoke", "credential_type": "signing-key" | "device-key" | ..., "reason_admin": {"en": sentence},
      "hallmark.v1": {"reason": code, ...}
  }
A device whose appraisal was lost or regained (CAEP 1.0, section 3.4):
  "https://schemas.openid.net/secevent/caep/event-type/assurance-level-change": {
      "namespace": "hallmark.v1", "current_level": "appraised" | "not-appraised", "previous_level",
      "change_direction": "increase" | "decrease", "reason_admin", "hallmark.v1": {"verdict": name, ...}
  }
A heartbeat is {"iss", "parent": "tenants/...", "server_time": RFC 3339, "nonce": base64, "sequence": newest position}.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kms.core.canonical import Json, canonical_json
from kms.core.clock import format_time
from kms.core.names import ChildName, TenantName
from kms.events.model import OWN_NAMESPACE, Draft, Event, InitiatingEntity, Placed, Position, Priority, Status
from kms.revocation.model import (
    AssuranceChange,
    AssuranceLevel,
    Revocation,
    RevocationEvent,
    RevocationReason,
    parse_subject,
)

CREDENTIAL_CHANGE = "https://schemas.openid.net/secevent/caep/event-type/credential-change"
ASSURANCE_LEVEL_CHANGE = "https://schemas.openid.net/secevent/caep/event-type/assurance-level-change"

_SENTENCES: dict[RevocationReason, str] = {
    RevocationReason.KEY_COMPROMISE: "The private key may be known to others.",
    RevocationReason.SUPERSEDED: "It was replaced by another one.",
    RevocationReason.CESSATION_OF_OPERATION: "It is no longer in use.",
    RevocationReason.DEVICE_LOST: "The device is lost or stolen.",
    RevocationReason.DEVICE_COMPROMISED: "The device is no longer under its owner's control.",
    RevocationReason.POLICY_VIOLATION: "It no longer satisfies the policy.",
    RevocationReason.WITHDRAWN: "The permission was withdrawn.",
}
_LOST = "What its evidence rests on has changed: it is no longer appraised."
_REGAINED = "What its evidence rests on has changed: it is appraised again."


@dataclass(frozen=True, slots=True)
class Telling:
    """How the revocation of one collection of resources is told: event type, its members, our own members."""

    uri: str
    members: Mapping[str, Json] = field(default_factory=dict)
    own: Mapping[str, Json] = field(default_factory=dict)
    sub_id: Mapping[str, Json] | None = None


def credential_change(credential_type: str) -> Telling:
    """CAEP 1.0, section 3.3; types other than its own are agreed with the receivers."""
    return Telling(CREDENTIAL_CHANGE, {"change_type": "revoke", "credential_type": credential_type})


def revocation_draft(revocation: Revocation, telling: Telling, *, revision: int, transaction_id: str) -> Draft:
    """Signed, about 800 bytes and the signature."""
    return Draft(
        id=revocation.id,
        tenant=revocation.subject.tenant,
        uri=telling.uri,
        subject=str(revocation.subject),
        revision=revision,
        status=Status.INVALID,
        event_time=revocation.event_time,
        effective_time=revocation.effective_time,
        initiating_entity=revocation.initiating_entity,
        members={**telling.members, "reason_admin": {"en": _SENTENCES[revocation.reason]}},
        own={**telling.own, "reason": revocation.reason.value},
        sub_id=telling.sub_id,
        transaction_id=transaction_id,
    )


def assurance_draft(change: AssuranceChange, *, revision: int, blocked: bool) -> Draft:
    """It has no call behind it: its txn is its own id. `blocked`: something else keeps the device suspended."""
    lost = change.current is AssuranceLevel.NOT_APPRAISED
    members: dict[str, Json] = {
        "namespace": OWN_NAMESPACE,
        "current_level": change.current.value,
        "previous_level": change.previous.value,
        "change_direction": "decrease" if lost else "increase",
        "reason_admin": {"en": _LOST if lost else _REGAINED},
    }
    return Draft(
        id=change.id,
        tenant=change.subject.tenant,
        uri=ASSURANCE_LEVEL_CHANGE,
        subject=str(change.subject),
        revision=revision,
        status=Status.SUSPENDED if lost or blocked else Status.VALID,
        event_time=change.event_time,
        effective_time=change.effective_time,
        initiating_entity=change.initiating_entity,
        priority=Priority.URGENT if lost else Priority.INFORMATION,
        members=members,
        own={"verdict": change.verdict},
        transaction_id=change.id,
    )


def read_placed(placed: Placed) -> RevocationEvent:
    """An event of the feed "revocations": what its signed bytes say."""
    event = placed.event
    assert event.signature is not None and event.promise is not None  # such events are never in batches  # noqa: PT018
    return RevocationEvent(
        revocation=_decision(event),
        sequence=placed.sequence,
        payload=event.payload,
        signature=event.signature,
        promise=event.promise,
    )


def _decision(event: Event) -> Revocation | AssuranceChange:
    (members,) = json.loads(event.payload)["events"].values()
    own: dict[str, Any] = members[OWN_NAMESPACE]
    subject, initiator = parse_subject(event.subject), InitiatingEntity(members["initiating_entity"])
    if event.uri == ASSURANCE_LEVEL_CHANGE:
        assert isinstance(subject, ChildName)
        return AssuranceChange(
            id=event.id,
            subject=subject,
            verdict=own["verdict"],
            current=AssuranceLevel(members["current_level"]),
            previous=AssuranceLevel(members["previous_level"]),
            event_time=event.event_time,
            initiating_entity=initiator,
        )
    return Revocation(
        id=event.id,
        subject=subject,
        reason=RevocationReason(own["reason"]),
        event_time=event.event_time,
        effective_time=datetime.fromisoformat(own["effective_time"]),
        initiating_entity=initiator,
    )


def heartbeat_payload(position: Position, *, issuer: str, nonce: bytes, now: datetime) -> bytes:
    """What is signed for one heartbeat of a watcher that gave a nonce."""
    return canonical_json(
        {
            "iss": issuer,
            "parent": str(TenantName(position.tenant)),
            "server_time": format_time(now),
            "nonce": base64.b64encode(nonce).decode(),
            "sequence": position.sequence,
        }
    )
