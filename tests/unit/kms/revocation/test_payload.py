import json
from datetime import timedelta

from kms.core.names import KeyName
from kms.events.model import REVOCATIONS, InitiatingEntity, Position
from kms.events.payload import event_payload
from kms.revocation.model import Revocation, RevocationReason
from kms.revocation.payload import credential_change, heartbeat_payload, revocation_draft
from support.clock import START

REVOCATION = Revocation(
    id="0190c2a4-0000-7000-8000-000000000001",
    subject=KeyName("default", "manifest"),
    reason=RevocationReason.KEY_COMPROMISE,
    event_time=START + timedelta(microseconds=999_999),
    effective_time=START - timedelta(hours=1),
    initiating_entity=InitiatingEntity.ADMIN,
)


def test_an_event_is_a_security_event_token() -> None:
    draft = revocation_draft(REVOCATION, credential_change("signing-key"), revision=2, transaction_id="call-1")
    payload = event_payload(draft, issuer="spiffe://hallmark.test/server")
    seconds = int(START.timestamp())
    assert json.loads(payload) == {
        "iss": "spiffe://hallmark.test/server",
        "iat": seconds,
        "jti": "0190c2a4-0000-7000-8000-000000000001",
        "txn": "call-1",
        "toe": seconds,
        "sub_id": {"format": "opaque", "id": "tenants/default/keys/manifest"},
        "events": {
            "https://schemas.openid.net/secevent/caep/event-type/credential-change": {
                "change_type": "revoke",
                "credential_type": "signing-key",
                "event_timestamp": seconds,
                "initiating_entity": "admin",
                "reason_admin": {"en": "The private key may be known to others."},
                "hallmark.v1": {
                    "reason": "KEY_COMPROMISE",
                    "effective_time": "2026-11-21T11:00:00.000000Z",
                    "event_time": "2026-11-21T12:00:00.999999Z",
                    "revision": 2,
                    "status": "INVALID",
                    "subject": "tenants/default/keys/manifest",
                },
            }
        },
    }
    assert payload == json.dumps(json.loads(payload), sort_keys=True, separators=(",", ":")).encode()


def test_every_reason_has_a_sentence() -> None:
    for reason in RevocationReason:
        revocation = Revocation(
            id=REVOCATION.id,
            subject=REVOCATION.subject,
            reason=reason,
            event_time=START,
            effective_time=START,
            initiating_entity=InitiatingEntity.ADMIN,
        )
        assert revocation_draft(revocation, credential_change("c"), revision=1, transaction_id="t").members[
            "reason_admin"
        ]


def test_a_heartbeat_names_feed_time_and_nonce() -> None:
    position = Position("default", REVOCATIONS, bytes(16), 7)
    assert heartbeat_payload(position, issuer="i", nonce=b"\xff" * 16, now=START) == (
        b'{"iss":"i","nonce":"/////////////////////w==","parent":"tenants/default","sequence":7,'
        b'"server_time":"2026-11-21T12:00:00.000000Z"}'
    )
