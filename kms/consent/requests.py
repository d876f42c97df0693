"""Requests about consents, read from the wire and checked: every mistake names its field."""

from datetime import timedelta
from typing import Final

from google.protobuf import duration_pb2
from google.protobuf.message import Message

from hallmark.v1 import consent_pb2
from kms.consent import terms
from kms.consent.model import ArtifactKind, ConsentArtifact, ConsentState, LeaseAction, LeaseTerms
from kms.consent.service import Grant
from kms.core.call import Call
from kms.core.errors import InvalidArgument, Reason
from kms.core.names import ChildName, DigestName, TenantName

KINDS: Final = {
    consent_pb2.ARTIFACT_KIND_MODEL_WEIGHTS: ArtifactKind.MODEL_WEIGHTS,
    consent_pb2.ARTIFACT_KIND_LORA_ADAPTER: ArtifactKind.LORA_ADAPTER,
    consent_pb2.ARTIFACT_KIND_TOKENIZER: ArtifactKind.TOKENIZER,
    consent_pb2.ARTIFACT_KIND_CREDENTIAL: ArtifactKind.CREDENTIAL,
    consent_pb2.ARTIFACT_KIND_BIOMETRIC_TEMPLATE: ArtifactKind.BIOMETRIC_TEMPLATE,
    consent_pb2.ARTIFACT_KIND_INFERENCE_CACHE: ArtifactKind.INFERENCE_CACHE,
    consent_pb2.ARTIFACT_KIND_SAFETY_MODEL: ArtifactKind.SAFETY_MODEL,
    consent_pb2.ARTIFACT_KIND_OTHER: ArtifactKind.OTHER,
}
ACTIONS: Final = {
    consent_pb2.LEASE_ACTION_SUSPEND: LeaseAction.SUSPEND,
    consent_pb2.LEASE_ACTION_SHRED: LeaseAction.SHRED,
}
STATES: Final = {
    consent_pb2.CONSENT_STATE_GIVEN: ConsentState.GIVEN,
    consent_pb2.CONSENT_STATE_RENEWED: ConsentState.RENEWED,
    consent_pb2.CONSENT_STATE_WITHDRAWN: ConsentState.WITHDRAWN,
    consent_pb2.CONSENT_STATE_REVOKED: ConsentState.REVOKED,
    consent_pb2.CONSENT_STATE_EXPIRED: ConsentState.EXPIRED,
}


def grant_from_wire(request: consent_pb2.GrantConsentRequest, call: Call, removal_default: timedelta) -> Grant:
    """Raises InvalidArgument; the uniform not-found for another tenant."""
    tenant = own_tenant(request.parent, call)
    removal_time = _span(request, "removal_time", removal_default)
    terms.check_span(removal_time, "removal_time", terms.REMOVAL_MIN, terms.REMOVAL_MAX)
    return Grant(
        tenant=tenant,
        subject=terms.check_subject(request.subject),
        controller=terms.check_controller(request.controller),
        purposes=terms.check_purposes(request.purposes),
        lawful_basis=terms.check_term(request.lawful_basis or terms.LAWFUL_BASIS, "lawful_basis"),
        artifacts=_artifacts(request, call),
        devices=_devices(request, call),
        validity=validity_from_wire(request),
        removal_time=removal_time,
        terms=_lease_terms(request.lease_terms, removal_time),
        withdrawal_method=terms.check_text(request.withdrawal_method, "withdrawal_method"),
        storage_locations=terms.check_locations(request.storage_locations),
    )


def validity_from_wire(request: consent_pb2.GrantConsentRequest | consent_pb2.RenewConsentRequest) -> timedelta:
    """From now; one year unless it says otherwise."""
    validity = _span(request, "validity_duration", terms.VALIDITY)
    return terms.check_span(validity, "validity_duration", terms.VALIDITY_MIN, terms.VALIDITY_MAX)


def own_tenant(parent: str, call: Call) -> str:
    """Raises the uniform not-found for another's."""
    tenant = TenantName.parse(parent).tenant
    call.caller.may_see(tenant, parent)
    return tenant


def own_child(text: str, collection: str, call: Call, field: str = "name") -> ChildName:
    name = ChildName.parse(text, collection, field)
    call.caller.may_see(name.tenant, text)
    return name


def own_artifact(text: str, call: Call, field: str = "artifact") -> DigestName:
    name = DigestName.parse(text, "artifacts", field)
    call.caller.may_see(name.tenant, text)
    return name


def state_from_wire(number: consent_pb2.ConsentState) -> ConsentState | None:
    """None when it was left out."""
    if number and number not in STATES:
        raise InvalidArgument(Reason.FIELD_INVALID, "state is not one of the listed ones", field="state")
    return STATES.get(number)


def _artifacts(request: consent_pb2.GrantConsentRequest, call: Call) -> tuple[ConsentArtifact, ...]:
    terms.check_count(request.artifacts, "artifacts", least=1, most=terms.ARTIFACTS_MAX)
    found = tuple(
        ConsentArtifact(own_artifact(each.artifact, call, "artifacts.artifact"), _kind(each.kind))
        for each in request.artifacts
    )
    terms.check_distinct([each.name for each in found], "artifacts")
    return found


def _devices(request: consent_pb2.GrantConsentRequest, call: Call) -> tuple[ChildName, ...]:
    terms.check_count(request.devices, "devices", least=0, most=terms.DEVICES_MAX)
    found = tuple(own_child(each, "devices", call, "devices") for each in request.devices)
    terms.check_distinct(found, "devices")
    return found


def _kind(number: consent_pb2.ArtifactKind) -> ArtifactKind:
    if number and number not in KINDS:
        raise InvalidArgument(Reason.FIELD_INVALID, "kind is not one of the listed ones", field="artifacts.kind")
    return KINDS.get(number, ArtifactKind.OTHER)


def _lease_terms(message: consent_pb2.LeaseTerms, removal_time: timedelta) -> LeaseTerms:
    return terms.lease_terms(
        removal_time=removal_time,
        duration=_span_or_none(message, "duration"),
        max_staleness=_span_or_none(message, "max_staleness"),
        offline_grace=_span(message, "offline_grace", timedelta(0)),
        on_silence=_action(message.on_silence, "lease_terms.on_silence", LeaseAction.SUSPEND),
        on_expiry=_action(message.on_expiry, "lease_terms.on_expiry", LeaseAction.SHRED),
    )


def _action(number: consent_pb2.LeaseAction, field: str, default: LeaseAction) -> LeaseAction:
    if number and number not in ACTIONS:
        raise InvalidArgument(Reason.FIELD_INVALID, f"{field} must be SUSPEND or SHRED, or be left out", field=field)
    return ACTIONS.get(number, default)


def _span(message: Message, field: str, default: timedelta) -> timedelta:
    given = _span_or_none(message, field)
    return default if given is None else given


def _span_or_none(message: Message, field: str) -> timedelta | None:
    """Whole seconds. Raises InvalidArgument for parts of one, and for what is no google.protobuf.Duration."""
    if not message.HasField(field):
        return None
    value: duration_pb2.Duration = getattr(message, field)
    try:
        span = value.ToTimedelta()
    except (ValueError, OverflowError):
        span = None
    if span is None or value.nanos:
        raise InvalidArgument(Reason.FIELD_INVALID, f"{field} must be a whole number of seconds", field=field)
    return span
