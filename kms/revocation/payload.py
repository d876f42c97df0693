"""The signed bytes: Security Event Tokens (RFC 8417) as canonical JSON, and the heartbeat.

An event is the claims set of a SET with one event in it:
{
  "iss": issuer, "iat": seconds, "jti": revocation id, "txn": id of the call, "toe": seconds (RFC 8417, section 2.2),
  "sub_id": {"format": "opaque", "id": full resource name} (RFC 9493, section 3.2.4),
  "events": {"https://schemas.openid.net/secevent/caep/event-type/credential-change": {
      "change_type": "revoke", "credential_type": "signing-key" | "device-key" (CAEP 1.0, section 3.3),
      "event_timestamp": seconds, "initiating_entity": "admin" | "user" | "policy" | "system",
      "reason_admin": {"en": sentence},
      "hallmark.v1": {"reason": code, "effective_time": RFC 3339, "event_time": RFC 3339}
  }}
}
A device whose appraisal was lost or regained has instead the event (CAEP 1.0, section 3.4)
  "https://schemas.openid.net/secevent/caep/event-type/assurance-level-change": {
      "namespace": "hallmark.v1", "current_level": "appraised" | "not-appraised", "previous_level",
      "change_direction": "increase" | "decrease", "event_timestamp", "initiating_entity", "reason_admin",
      "hallmark.v1": {"verdict": name, "effective_time", "event_time"}
  }
No "exp" and no "sub": SSF 1.0 forbids both. Seconds are rounded down; the exact times stand under OWN_NAMESPACE.

A heartbeat is {"iss", "parent": "tenants/...", "server_time": RFC 3339, "nonce": base64, "sequence": newest position}.
Domains are kept apart by the context of the composite signature.
"""

import base64
from datetime import datetime

from kms.core.canonical import Json, canonical_json
from kms.core.clock import format_time
from kms.core.names import TenantName
from kms.revocation.model import AssuranceChange, AssuranceLevel, Position, Revocation, RevocationReason

CREDENTIAL_CHANGE = "https://schemas.openid.net/secevent/caep/event-type/credential-change"
ASSURANCE_LEVEL_CHANGE = "https://schemas.openid.net/secevent/caep/event-type/assurance-level-change"
OWN_NAMESPACE = "hallmark.v1"
"""The member that holds what CAEP has no name for."""

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


def event_payload(revocation: Revocation, *, issuer: str, transaction_id: str, credential_type: str) -> bytes:
    """What is signed for one revocation; about 700 bytes."""
    own: dict[str, Json] = {"reason": revocation.reason.value, **_times(revocation)}
    event: dict[str, Json] = {
        "change_type": "revoke",
        "credential_type": credential_type,
        "reason_admin": {"en": _SENTENCES[revocation.reason]},
        OWN_NAMESPACE: own,
    }
    return _event_token(CREDENTIAL_CHANGE, event, revocation, issuer=issuer, transaction_id=transaction_id)


def assurance_payload(change: AssuranceChange, *, issuer: str) -> bytes:
    """What is signed for one change of assurance. It has no call behind it: its txn is its own id."""
    lost = change.current is AssuranceLevel.NOT_APPRAISED
    own: dict[str, Json] = {"verdict": change.verdict, **_times(change)}
    event: dict[str, Json] = {
        "namespace": OWN_NAMESPACE,
        "current_level": change.current.value,
        "previous_level": change.previous.value,
        "change_direction": "decrease" if lost else "increase",
        "reason_admin": {"en": _LOST if lost else _REGAINED},
        OWN_NAMESPACE: own,
    }
    return _event_token(ASSURANCE_LEVEL_CHANGE, event, change, issuer=issuer, transaction_id=change.id)


def _times(decision: Revocation | AssuranceChange) -> dict[str, Json]:
    return {
        "effective_time": format_time(decision.effective_time),
        "event_time": format_time(decision.event_time),
    }


def _event_token(
    uri: str,
    event: dict[str, Json],
    decision: Revocation | AssuranceChange,
    *,
    issuer: str,
    transaction_id: str,
) -> bytes:
    seconds = int(decision.event_time.timestamp())
    initiator = decision.initiating_entity.value
    return canonical_json(
        {
            "iss": issuer,
            "iat": seconds,
            "jti": decision.id,
            "txn": transaction_id,
            "toe": seconds,
            "sub_id": {"format": "opaque", "id": str(decision.subject)},
            "events": {uri: {**event, "event_timestamp": seconds, "initiating_entity": initiator}},
        }
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
