"""What the log says of consents (docs/log.md): what is personal stands as commitments."""

import hashlib

from kms.consent.model import Consent, Receipt
from kms.consent.payload import whole_seconds
from kms.core.canonical import Json, canonical_json
from kms.core.clock import format_time
from kms.events.model import SignedEvent
from kms.log.model import LogEntry


def granted_entry(consent: Consent, event: SignedEvent) -> LogEntry:
    details: dict[str, Json] = {
        "expire_time": format_time(consent.expire_time),
        "removal_seconds": whole_seconds(consent.removal_time),
    }
    return _entry("consent.granted", consent, event, details)


def renewed_entry(consent: Consent, event: SignedEvent) -> LogEntry:
    return _entry("consent.renewed", consent, event, {"expire_time": format_time(consent.expire_time)})


def ended_entry(consent: Consent, event: SignedEvent) -> LogEntry:
    details: dict[str, Json] = {
        "effective_time": format_time(event.draft.effective_time),
        "initiating_entity": event.draft.initiating_entity.value,
        "state": consent.state.value,
    }
    return _entry("consent.ended", consent, event, details)


def personal_facts(consent: Consent, receipt: Receipt) -> dict[str, str]:
    """What the log commits to. Who holds the receipt can show that the log knew it."""
    return {
        "controller": consent.controller,
        "pii_principal_id": consent.pii_principal_id,
        "purposes": canonical_json(list(consent.purposes)).decode(),
        "receipt_sha256": hashlib.sha256(receipt.payload).hexdigest(),
    }


def _entry(event_type: str, consent: Consent, event: SignedEvent, details: dict[str, Json]) -> LogEntry:
    """Its key is the jti of the event."""
    told: dict[str, Json] = {
        **details,
        "revision": consent.revision,
        "payload_sha256": hashlib.sha256(event.payload).hexdigest(),
        "signed_by": event.signature.key_version,
    }
    name = consent.name
    return LogEntry(event.draft.id, event_type, name.tenant, str(name), consent.update_time, told)
