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
No "exp" and no "sub": SSF 1.0 forbids both. Seconds are rounded down; the exact times stand under OWN_NAMESPACE.

A heartbeat is {"iss", "parent": "tenants/...", "server_time": RFC 3339, "nonce": base64, "sequence": newest position}.
Domains are kept apart by the context of the composite signature.
"""

import base64
from datetime import datetime

from kms.core.canonical import canonical_json
from kms.core.clock import format_time
from kms.core.names import TenantName
from kms.revocation.model import Position, Revocation, RevocationReason

CREDENTIAL_CHANGE = "https://schemas.openid.net/secevent/caep/event-type/credential-change"
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


def event_payload(revocation: Revocation, *, issuer: str, transaction_id: str, credential_type: str) -> bytes:
    """What is signed for one revocation; about 700 bytes."""
    seconds = int(revocation.event_time.timestamp())
    return canonical_json(
        {
            "iss": issuer,
            "iat": seconds,
            "jti": revocation.id,
            "txn": transaction_id,
            "toe": seconds,
            "sub_id": {"format": "opaque", "id": str(revocation.subject)},
            "events": {
                CREDENTIAL_CHANGE: {
                    "change_type": "revoke",
                    "credential_type": credential_type,
                    "event_timestamp": seconds,
                    "initiating_entity": revocation.initiating_entity.value,
                    "reason_admin": {"en": _SENTENCES[revocation.reason]},
                    OWN_NAMESPACE: {
                        "reason": revocation.reason.value,
                        "effective_time": format_time(revocation.effective_time),
                        "event_time": format_time(revocation.event_time),
                    },
                }
            },
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
