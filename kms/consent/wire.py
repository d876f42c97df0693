"""Consents and leases on the wire: model -> protobuf. What comes in is in requests.py."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, TypeVar

from google.protobuf import duration_pb2, timestamp_pb2

from hallmark.v1 import consent_pb2
from kms.consent.leases import Lease
from kms.consent.model import SCHEMA_VERSION, Consent, LeaseTerms, Receipt
from kms.consent.page import receipt_page
from kms.consent.payload import StatusUri
from kms.consent.requests import ACTIONS, KINDS, STATES
from kms.consent.service import Outcome
from kms.keys.wire import service_signature_to_wire
from kms.log.model import LogPromise
from kms.log.wire import promise_to_wire

_K = TypeVar("_K")
_V = TypeVar("_V")


def _inverse(table: Mapping[_K, _V]) -> dict[_V, _K]:
    return {value: key for key, value in table.items()}


_STATE_NUMBERS: Final = _inverse(STATES)
_KIND_NUMBERS: Final = _inverse(KINDS)
_ACTION_NUMBERS: Final = _inverse(ACTIONS)


def consent_to_wire(consent: Consent, now: datetime) -> consent_pb2.Consent:
    """As it is at `now`: time alone ends it."""
    state = consent.state_at(now)
    ended = consent.expire_time if consent.state.is_open and not state.is_open else consent.end_time
    return consent_pb2.Consent(
        name=str(consent.name),
        schema_version=SCHEMA_VERSION,
        pii_principal_id=consent.pii_principal_id,
        controller=consent.controller,
        purposes=consent.purposes,
        lawful_basis=consent.lawful_basis,
        artifacts=[
            consent_pb2.ConsentArtifact(artifact=str(each.name), kind=_KIND_NUMBERS[each.kind])
            for each in consent.artifacts
        ],
        devices=[str(device) for device in consent.devices],
        state=_STATE_NUMBERS[state],
        revision=consent.revision,
        create_time=_time(consent.create_time),
        update_time=_time(consent.update_time),
        expire_time=_time(consent.expire_time),
        removal_time=_duration(consent.removal_time),
        lease_terms=_terms(consent.terms),
        withdrawal_method=consent.withdrawal_method,
        storage_locations=consent.storage_locations,
        end_time=None if ended is None else _time(ended),
        end_reason=consent.end_reason,
    )


def response_to_wire(outcome: Outcome, now: datetime) -> consent_pb2.ConsentResponse:
    return consent_pb2.ConsentResponse(
        consent=consent_to_wire(outcome.consent, now),
        log=promise_to_wire(outcome.change.promise),
        replayed=outcome.replayed,
    )


def withdrawal_to_wire(outcome: Outcome, now: datetime) -> consent_pb2.WithdrawConsentResponse:
    consent = outcome.consent
    assert consent.end_time is not None
    return consent_pb2.WithdrawConsentResponse(
        consent=consent_to_wire(consent, now),
        log=promise_to_wire(outcome.change.promise),
        replayed=outcome.replayed,
        deadline=_time(consent.end_time + consent.removal_time),
        removals=outcome.change.removals,
    )


def receipt_to_wire(
    consent: Consent, receipt: Receipt, promise: LogPromise, now: datetime
) -> consent_pb2.ConsentReceipt:
    return consent_pb2.ConsentReceipt(
        payload=receipt.payload,
        signature=service_signature_to_wire(receipt.signature),
        log=promise_to_wire(promise),
        html=receipt_page(consent, receipt, consent.state_at(now)),
    )


def lease_to_wire(lease: Lease, status_uri: StatusUri, now: datetime) -> consent_pb2.Lease:
    return consent_pb2.Lease(
        name=str(lease.name),
        consent=str(lease.consent),
        device=str(lease.device),
        artifact=str(lease.artifact),
        kind=_KIND_NUMBERS[lease.kind],
        revision=lease.revision,
        not_before=_time(lease.not_before),
        expire_time=_time(lease.expire_time),
        max_staleness=_duration(lease.max_staleness),
        offline_grace=_duration(lease.offline_grace),
        on_silence=_ACTION_NUMBERS[lease.on_silence],
        on_expiry=_ACTION_NUMBERS[lease.on_expiry],
        status=consent_pb2.StatusReference(uri=status_uri(lease.name.tenant, lease.status), idx=lease.status.idx),
        live=lease.is_live_at(now),
    )


def _terms(terms: LeaseTerms) -> consent_pb2.LeaseTerms:
    return consent_pb2.LeaseTerms(
        duration=_duration(terms.duration),
        max_staleness=None if terms.max_staleness is None else _duration(terms.max_staleness),
        offline_grace=_duration(terms.offline_grace),
        on_silence=_ACTION_NUMBERS[terms.on_silence],
        on_expiry=_ACTION_NUMBERS[terms.on_expiry],
    )


def _time(moment: datetime) -> timestamp_pb2.Timestamp:
    message = timestamp_pb2.Timestamp()
    message.FromDatetime(moment)
    return message


def _duration(span: timedelta) -> duration_pb2.Duration:
    message = duration_pb2.Duration()
    message.FromTimedelta(span)
    return message
