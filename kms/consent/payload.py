"""What events say of consents and leases (kms.events.payload; tag:hallmark.local,2026:secevent/odai/event-type/).

consent-status-change  {"consent_status": DPV IRI, "controller", "expire_time", "purposes": [IRI], "removal_seconds"}
lease-granted          {"lease", "consent", "device", "artifact", "kind", "not_before", "expires_at",
                        "consent_expires_at", "removal_seconds", "max_staleness_seconds", "offline_grace_seconds",
                        "on_silence", "on_expiry", "status_list": {"idx", "uri"}}
Both have a complex subject identifier (SSF 1.0, section 3.5) with the person as an opaque pairwise pseudonym.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from hallmark_events.types import CONSENT_STATUS_CHANGE, LEASE_GRANTED
from kms.consent.leases import Lease
from kms.consent.model import Consent, ConsentState
from kms.consent.terms import dpv_iri
from kms.core.canonical import Json
from kms.core.clock import format_time
from kms.core.names import ChildName, TenantName
from kms.events.model import Draft, InitiatingEntity, Priority, Status
from kms.status.lists import StatusReference

StatusUri = Callable[[str, StatusReference], str]
"""Tenant and place -> the stable URI of the status list."""

_DPV_STATUS: Final = {
    ConsentState.GIVEN: "https://w3id.org/dpv#ConsentGiven",
    ConsentState.RENEWED: "https://w3id.org/dpv#RenewedConsentGiven",
    ConsentState.WITHDRAWN: "https://w3id.org/dpv#ConsentWithdrawn",
    ConsentState.REVOKED: "https://w3id.org/dpv#ConsentRevoked",
    ConsentState.EXPIRED: "https://w3id.org/dpv#ConsentExpired",
}


def dpv_status(state: ConsentState) -> str:
    """An IRI of dpv:ConsentStatus."""
    return _DPV_STATUS[state]


def consent_draft(
    consent: Consent,
    event_id: str,
    *,
    initiating_entity: InitiatingEntity,
    now: datetime,
    transaction_id: str | None,
) -> Draft:
    """The consent as it is from now on: its revision and state are the new ones."""
    return Draft(
        id=event_id,
        tenant=consent.name.tenant,
        uri=CONSENT_STATUS_CHANGE,
        subject=str(consent.name),
        revision=consent.revision,
        status=Status.VALID if consent.state.is_open else Status.INVALID,
        event_time=now,
        effective_time=now,
        initiating_entity=initiating_entity,
        priority=Priority.INFORMATION if consent.state.is_open else Priority.URGENT,
        own=consent_members(consent),
        sub_id=subject_of(consent.name.tenant, consent.pii_principal_id),
        transaction_id=transaction_id,
    )


def consent_members(consent: Consent) -> dict[str, Json]:
    """Our own members of consent-status-change."""
    return {
        "consent_status": dpv_status(consent.state),
        "controller": consent.controller,
        "expire_time": format_time(consent.expire_time),
        "purposes": [dpv_iri(purpose) for purpose in consent.purposes],
        "removal_seconds": whole_seconds(consent.removal_time),
    }


def lease_draft(lease: Lease, event_id: str, *, uri: str, now: datetime) -> Draft:
    """A leaf of a batch: it is not signed by itself."""
    own: dict[str, Json] = {
        "lease": str(lease.name),
        "consent": str(lease.consent),
        "device": str(lease.device),
        "artifact": str(lease.artifact),
        "kind": lease.kind.value,
        "not_before": format_time(lease.not_before),
        "expires_at": format_time(lease.expire_time),
        "consent_expires_at": format_time(lease.consent_expire_time),
        "removal_seconds": whole_seconds(lease.removal_time),
        "max_staleness_seconds": whole_seconds(lease.max_staleness),
        "offline_grace_seconds": whole_seconds(lease.offline_grace),
        "on_silence": lease.on_silence.value,
        "on_expiry": lease.on_expiry.value,
        "status_list": {"idx": lease.status.idx, "uri": uri},
    }
    return Draft(
        id=event_id,
        tenant=lease.name.tenant,
        uri=LEASE_GRANTED,
        subject=str(lease.name),
        revision=lease.revision,
        status=Status.VALID,
        event_time=now,
        effective_time=lease.not_before,
        initiating_entity=InitiatingEntity.SYSTEM,
        priority=Priority.LEASE,
        own=own,
        sub_id=subject_of(lease.name.tenant, lease.user, lease.device),
    )


def subject_of(tenant: str, user: str, device: ChildName | None = None) -> dict[str, Json]:
    """RFC 9493 identifiers of whom an event is about."""
    found: dict[str, Json] = {
        "format": "complex",
        "tenant": {"format": "opaque", "id": str(TenantName(tenant))},
        "user": {"format": "opaque", "id": user},
    }
    if device is not None:
        found["device"] = {"format": "opaque", "id": str(device)}
    return found


def whole_seconds(span: timedelta) -> int:
    """Rounded down: a promise is never stretched."""
    return span // timedelta(seconds=1)
