"""Consents, receipts and leases from the wire, and what is asked for to it."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final, TypeVar

from google.protobuf.message import Message

from hallmark.v1 import consent_pb2
from hallmark_client.errors import InvalidArgument
from hallmark_client.model.consents import (
    ArtifactKind,
    Consent,
    ConsentArtifact,
    ConsentChange,
    ConsentReceipt,
    ConsentState,
    Lease,
    LeaseAction,
    LeaseTerms,
    StatusReference,
    Withdrawal,
)
from hallmark_client.wire.log import promise_of
from hallmark_client.wire.scalars import moment, moment_or_none, span, span_argument
from hallmark_client.wire.signed import signature_of

_Member = TypeVar("_Member", bound=StrEnum)
_WIRE: Final[Mapping[type[StrEnum], tuple[Any, str]]] = {
    ConsentState: (consent_pb2.ConsentState, "CONSENT_STATE_"),
    LeaseAction: (consent_pb2.LeaseAction, "LEASE_ACTION_"),
    ArtifactKind: (consent_pb2.ArtifactKind, "ARTIFACT_KIND_"),
}


def number_argument(kind: type[StrEnum], value: str, name: str) -> Any:
    """A member as callers write it, any case, hyphens or underscores. Raises InvalidArgument that lists the choices."""
    choices = [member.value for member in kind if member.name != "UNKNOWN"]
    wanted = value.upper().replace("-", "_")
    if wanted not in choices:
        raise InvalidArgument("FIELD_INVALID", f"{name} {value!r} is not one of: {', '.join(choices)}")
    wire, prefix = _WIRE[kind]
    return wire.Value(prefix + wanted)


def state_argument(value: str) -> consent_pb2.ConsentState:
    """Raises InvalidArgument."""
    number: consent_pb2.ConsentState = number_argument(ConsentState, value, "state")
    return number


def terms_argument(terms: LeaseTerms) -> consent_pb2.LeaseTerms:
    """Raises InvalidArgument."""
    message = consent_pb2.LeaseTerms(
        on_silence=number_argument(LeaseAction, terms.on_silence, "on_silence"),
        on_expiry=number_argument(LeaseAction, terms.on_expiry, "on_expiry"),
    )
    for field in ("duration", "max_staleness", "offline_grace"):
        set_span(message, field, getattr(terms, field))
    return message


def set_lengths(
    request: consent_pb2.GrantConsentRequest,
    *,
    validity: timedelta | None,
    removal_time: timedelta | None,
    lease_terms: LeaseTerms | None,
) -> None:
    """What is None is left to the server. Raises InvalidArgument."""
    set_span(request, "validity_duration", validity)
    set_span(request, "removal_time", removal_time)
    if lease_terms is not None:
        request.lease_terms.CopyFrom(terms_argument(lease_terms))


def set_span(message: Message, field: str, value: timedelta | None) -> None:
    """None leaves it out. Raises InvalidArgument."""
    if value is not None:
        getattr(message, field).CopyFrom(span_argument(value, field))


def consent_of(wire: consent_pb2.Consent) -> Consent:
    return Consent(
        name=wire.name,
        schema_version=wire.schema_version,
        pii_principal_id=wire.pii_principal_id,
        controller=wire.controller,
        purposes=tuple(wire.purposes),
        lawful_basis=wire.lawful_basis,
        artifacts=tuple(
            ConsentArtifact(artifact=each.artifact, kind=_member(ArtifactKind, each.kind)) for each in wire.artifacts
        ),
        devices=tuple(wire.devices),
        state=_member(ConsentState, wire.state),
        revision=wire.revision,
        create_time=moment(wire.create_time),
        update_time=moment(wire.update_time),
        expire_time=moment(wire.expire_time),
        removal_time=span(wire.removal_time),
        lease_terms=_terms_of(wire.lease_terms),
        withdrawal_method=wire.withdrawal_method,
        storage_locations=tuple(wire.storage_locations),
        end_time=moment_or_none(wire, "end_time"),
        end_reason=wire.end_reason,
    )


def change_of(wire: consent_pb2.ConsentResponse) -> ConsentChange:
    return ConsentChange(consent=consent_of(wire.consent), log=promise_of(wire.log), replayed=wire.replayed)


def withdrawal_of(wire: consent_pb2.WithdrawConsentResponse) -> Withdrawal:
    return Withdrawal(
        consent=consent_of(wire.consent),
        log=promise_of(wire.log),
        replayed=wire.replayed,
        deadline=moment(wire.deadline),
        removals=tuple(wire.removals),
    )


def receipt_of(wire: consent_pb2.ConsentReceipt) -> ConsentReceipt:
    return ConsentReceipt(
        payload=wire.payload, signature=signature_of(wire.signature), log=promise_of(wire.log), html=wire.html
    )


def consents_of(wire: consent_pb2.ListConsentsResponse) -> tuple[Sequence[Consent], str]:
    return [consent_of(each) for each in wire.consents], wire.next_page_token


def leases_of(wire: consent_pb2.ListLeasesResponse) -> tuple[Sequence[Lease], str]:
    return [lease_of(each) for each in wire.leases], wire.next_page_token


def lease_of(wire: consent_pb2.Lease) -> Lease:
    return Lease(
        name=wire.name,
        consent=wire.consent,
        device=wire.device,
        artifact=wire.artifact,
        kind=_member(ArtifactKind, wire.kind),
        revision=wire.revision,
        not_before=moment(wire.not_before),
        expire_time=moment(wire.expire_time),
        max_staleness=span(wire.max_staleness),
        offline_grace=span(wire.offline_grace),
        on_silence=_member(LeaseAction, wire.on_silence),
        on_expiry=_member(LeaseAction, wire.on_expiry),
        status=StatusReference(uri=wire.status.uri, idx=wire.status.idx),
        live=wire.live,
    )


def _terms_of(wire: consent_pb2.LeaseTerms) -> LeaseTerms:
    return LeaseTerms(
        duration=_span_or_none(wire, "duration"),
        max_staleness=_span_or_none(wire, "max_staleness"),
        offline_grace=_span_or_none(wire, "offline_grace"),
        on_silence=_member(LeaseAction, wire.on_silence),
        on_expiry=_member(LeaseAction, wire.on_expiry),
    )


def _span_or_none(wire: consent_pb2.LeaseTerms, field: str) -> timedelta | None:
    return span(getattr(wire, field)) if wire.HasField(field) else None


def _member(kind: type[_Member], number: int) -> _Member:
    """UNKNOWN for unspecified and for values of a newer server."""
    wire, prefix = _WIRE[kind]
    name = wire.Name(number).removeprefix(prefix) if number in wire.values() else "UNKNOWN"
    return kind[name] if name in kind.__members__ else kind["UNKNOWN"]
