"""What a grant must be, and what it becomes: the rules of consents in the fake."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from hallmark.v1 import consent_pb2
from hallmark_client.testing.refusals import invalid, not_found
from hallmark_client.testing.state import State

_TERM: Final = re.compile(r"[a-z][a-z0-9-]*:[^\s]{1,255}")
_ARTIFACT: Final = re.compile("(tenants/[a-z][a-z0-9-]*)/artifacts/[0-9a-f]{64}")
_TEXT_MAX: Final = 512
_ITEMS_MAX: Final = 64
_PURPOSES_MAX: Final = 32
_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)
_MINUTE: Final = timedelta(minutes=1)
_PAGE_DEFAULT: Final = 100
_PAGE_MAX: Final = 1000
_LEASE_MIN: Final = timedelta(seconds=30)
_STALENESS: Final = {
    consent_pb2.ARTIFACT_KIND_BIOMETRIC_TEMPLATE: _HOUR,
    consent_pb2.ARTIFACT_KIND_CREDENTIAL: 4 * _HOUR,
}
_Named = TypeVar("_Named", consent_pb2.Consent, consent_pb2.Lease)


def check_grant(state: State, request: consent_pb2.GrantConsentRequest) -> None:
    """Raises InvalidArgument, NotFound for another tenant."""
    state.check_parent(request.parent)
    for field in ("subject", "controller"):
        check_text(getattr(request, field), field, most=256, required=True)
    _check_items(request.purposes, "purposes", least=1, most=_PURPOSES_MAX)
    for term in (*request.purposes, request.lawful_basis or "dpv:Consent"):
        if not _TERM.fullmatch(term):
            raise invalid("purposes", f"{term[:80]!r} must be a term of DPV or an IRI")
    _check_items([each.artifact for each in request.artifacts], "artifacts", least=1, most=_ITEMS_MAX)
    for each in request.artifacts:
        check_artifact(state, each.artifact)
    _check_items(request.devices, "devices", least=0, most=_ITEMS_MAX)
    check_text(request.withdrawal_method, "withdrawal_method")
    for place in request.storage_locations:
        check_text(place, "storage_locations", required=True)


def check_artifact(state: State, name: str) -> None:
    found = _ARTIFACT.fullmatch(name)
    if found is None:
        raise invalid("artifact", "must look like tenants/{tenant}/artifacts/{sha256}", "NAME_INVALID")
    if found[1] != state.parent:
        raise not_found(name)


def check_text(text: str, field: str, *, most: int = _TEXT_MAX, required: bool = False) -> None:
    if len(text.encode()) > most or text != text.strip() or not text.isprintable() or (required and not text):
        raise invalid(field, f"must have {int(required)} to {most} bytes in one line")


def removal_of(request: consent_pb2.GrantConsentRequest) -> timedelta:
    return span_of(request, "removal_time", _DAY, least=_MINUTE, most=30 * _DAY)


def validity_of(request: consent_pb2.GrantConsentRequest | consent_pb2.RenewConsentRequest) -> timedelta:
    return span_of(request, "validity_duration", 365 * _DAY, least=_MINUTE, most=3653 * _DAY)


def terms_of(given: consent_pb2.LeaseTerms, removal: timedelta) -> consent_pb2.LeaseTerms:
    """With the defaults filled in: a lease and its grace are never longer than the promised removal time."""
    grace = span_of(given, "offline_grace", timedelta(0), least=timedelta(0), most=removal - _LEASE_MIN)
    longest = removal - grace
    margin = min(max(removal / 100, timedelta(seconds=5)), timedelta(minutes=5))
    duration = span_of(given, "duration", max(longest - margin, _LEASE_MIN), least=_LEASE_MIN, most=longest)
    terms = consent_pb2.LeaseTerms(
        duration=span(duration),
        offline_grace=span(grace),
        on_silence=given.on_silence or consent_pb2.LEASE_ACTION_SUSPEND,
        on_expiry=given.on_expiry or consent_pb2.LEASE_ACTION_SHRED,
    )
    if given.HasField("max_staleness"):
        least = timedelta(seconds=1)
        terms.max_staleness.CopyFrom(span(span_of(given, "max_staleness", duration, least=least, most=duration)))
    return terms


def staleness_of(terms: consent_pb2.LeaseTerms, kind: consent_pb2.ArtifactKind) -> timedelta:
    told = terms.max_staleness.ToTimedelta() if terms.HasField("max_staleness") else _STALENESS.get(kind, _DAY)
    return min(told, terms.duration.ToTimedelta())


def span_of(message: Message, field: str, default: timedelta, *, least: timedelta, most: timedelta) -> timedelta:
    found: timedelta = getattr(message, field).ToTimedelta() if message.HasField(field) else default
    if not least <= found <= most or found.microseconds:
        raise invalid(field, f"must be {least.total_seconds():.0f} to {most.total_seconds():.0f} whole seconds")
    return found


def span(value: timedelta) -> Duration:
    message = Duration()
    message.FromTimedelta(value)
    return message


def page(items: Iterable[_Named], size: int, token: str) -> tuple[list[_Named], str]:
    """Oldest first: names begin with their time."""
    if not 0 <= size <= _PAGE_MAX:
        raise invalid("page_size", f"must be 0 to {_PAGE_MAX}")
    found = list(items)
    names = [each.name for each in found]
    if token and token not in names:
        raise invalid("page_token", "is not one of ours", "PAGE_TOKEN_INVALID")
    begin, size = names.index(token) + 1 if token else 0, size or _PAGE_DEFAULT
    more = names[begin + size - 1] if len(found) > begin + size else ""
    return found[begin : begin + size], more


def renewed_at(lease: consent_pb2.Lease) -> datetime:
    begin, end = moment(lease.not_before), moment(lease.expire_time)
    return begin + (end - begin) / 2


def moment(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(tzinfo=UTC)


def _check_items(items: Sequence[str], field: str, *, least: int, most: int) -> None:
    if not least <= len(items) <= most or len(set(items)) != len(items):
        raise invalid(field, f"must have {least} to {most} items, none twice")
