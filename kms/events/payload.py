"""The signed bytes: Security Event Tokens (RFC 8417) as canonical JSON.

{
  "iss": issuer, "iat": seconds, "jti": id, "txn"?: id of the call, "toe": seconds (RFC 8417, section 2.2),
  "sub_id": {"format": "opaque", "id": full resource name} (RFC 9493, section 3.2.4),
  "events": {URI: {
      ...members of CAEP 1.0 and RISC 1.0..., "event_timestamp": seconds, "initiating_entity": "admin" | ...,
      "hallmark.v1": {"subject": full resource name, "revision": 1.., "status": "VALID" | "INVALID" | "SUSPENDED",
          "effective_time": RFC 3339, "event_time": RFC 3339, ...members of our own...}
  }}
}
One event in each. No "exp" and no "sub": SSF 1.0 forbids both. Seconds are rounded down; the exact times stand under
OWN_NAMESPACE. Domains are kept apart by the context of the composite signature.
"""

from kms.core.canonical import Json, canonical_json
from kms.core.clock import format_time
from kms.events.model import OWN_NAMESPACE, Draft


def event_payload(draft: Draft, *, issuer: str) -> bytes:
    """What is signed, or is a leaf of a batch."""
    seconds = int(draft.event_time.timestamp())
    own: dict[str, Json] = {
        **draft.own,
        "subject": draft.subject,
        "revision": draft.revision,
        "status": draft.status.name,
        "effective_time": format_time(draft.effective_time),
        "event_time": format_time(draft.event_time),
    }
    event: dict[str, Json] = {
        **draft.members,
        "event_timestamp": seconds,
        "initiating_entity": draft.initiating_entity.value,
        OWN_NAMESPACE: own,
    }
    claims: dict[str, Json] = {
        "iss": issuer,
        "iat": seconds,
        "jti": draft.id,
        "toe": seconds,
        "sub_id": dict(draft.sub_id) if draft.sub_id is not None else {"format": "opaque", "id": draft.subject},
        "events": {draft.uri: event},
    }
    if draft.transaction_id is not None:
        claims["txn"] = draft.transaction_id
    return canonical_json(claims)
