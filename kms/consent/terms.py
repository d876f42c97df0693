"""What a consent says, checked: terms of the Data Privacy Vocabulary, text for people, lengths of time."""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from kms.consent.model import LeaseAction, LeaseTerms
from kms.core.errors import InvalidArgument, Reason

PURPOSES_MAX: Final = 32
ARTIFACTS_MAX: Final = 64
DEVICES_MAX: Final = 64
LOCATIONS_MAX: Final = 16
SUBJECT_BYTES_MAX: Final = 256
TEXT_BYTES_MAX: Final = 512
IRI_CHARACTERS_MAX: Final = 256
LAWFUL_BASIS: Final = "dpv:Consent"
VALIDITY: Final = timedelta(days=365)
VALIDITY_MIN: Final = timedelta(minutes=1)
VALIDITY_MAX: Final = timedelta(days=3653)
REMOVAL_MIN: Final = timedelta(minutes=1)
REMOVAL_MAX: Final = timedelta(days=30)
LEASE_MIN: Final = timedelta(seconds=30)
MARGIN_MIN: Final = timedelta(seconds=5)
MARGIN_MAX: Final = timedelta(minutes=5)

_PREFIXES: Final = {
    "dpv": "https://w3id.org/dpv#",
    "pd": "https://w3id.org/dpv/pd#",
    "tech": "https://w3id.org/dpv/tech#",
    "ai": "https://w3id.org/dpv/ai#",
    "loc": "https://w3id.org/dpv/loc#",
    "risk": "https://w3id.org/dpv/risk#",
    "eu-gdpr": "https://w3id.org/dpv/legal/eu/gdpr#",
    "eu-dga": "https://w3id.org/dpv/legal/eu/dga#",
    "eu-aiact": "https://w3id.org/dpv/legal/eu/aiact#",
    "eu-ehds": "https://w3id.org/dpv/legal/eu/ehds#",
    "eu-rights": "https://w3id.org/dpv/legal/eu/rights#",
}
"""DPV 2, section 1.4: namespaces."""
_TERM: Final = re.compile(r"([a-z][a-z-]*):([A-Za-z0-9][A-Za-z0-9._-]*)")
_IRI: Final = re.compile(r"(?:https?://|urn:|tag:)[^\s<>\"{}|\\^`\x00-\x20\x7f]+")


def dpv_iri(term: str) -> str:
    """The IRI that a checked term stands for: https://w3id.org/dpv#Consent of dpv:Consent. An IRI is itself."""
    found = _TERM.fullmatch(term)
    prefix = _PREFIXES.get(found[1]) if found else None
    return term if found is None or prefix is None else prefix + found[2]


def label(term: str) -> str:
    """For people, the last part of it in words: "Service provision" of dpv:ServiceProvision."""
    last = re.split(r"[#/:]", dpv_iri(term).rstrip("#/:"))[-1]
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", last)
    return words[:1] + words[1:].lower() if " " in words else words


def check_term(term: str, field: str) -> str:
    """A DPV term such as dpv:ServiceProvision, or an IRI; at most 256 characters. Raises InvalidArgument."""
    if len(term) <= IRI_CHARACTERS_MAX:
        found = _TERM.fullmatch(term)
        if _IRI.fullmatch(term) or (found is not None and found[1] in _PREFIXES):
            return term
    raise _refused(
        field,
        f"{field} must be a term of DPV such as dpv:ServiceProvision (prefixes: {', '.join(_PREFIXES)}), or an IRI "
        f"such as https://example.com/purposes#research, of at most {IRI_CHARACTERS_MAX} characters",
    )


def check_purposes(purposes: Sequence[str]) -> tuple[str, ...]:
    """1 to 32 of them, none twice. Raises InvalidArgument."""
    check_count(purposes, "purposes", least=1, most=PURPOSES_MAX)
    checked = tuple(check_term(purpose, "purposes") for purpose in purposes)
    check_distinct([dpv_iri(purpose) for purpose in checked], "purposes")
    return checked


def check_controller(controller: str) -> str:
    """Who decides about the processing: 1 to 256 characters without white space at its ends."""
    return check_text(controller, "controller", most=IRI_CHARACTERS_MAX, required=True)


def check_subject(subject: str) -> str:
    """Who consents, 1 to 256 bytes. The error does not repeat it."""
    return check_text(subject, "subject", most=SUBJECT_BYTES_MAX, required=True)


def check_locations(locations: Sequence[str]) -> tuple[str, ...]:
    check_count(locations, "storage_locations", least=0, most=LOCATIONS_MAX)
    return tuple(check_text(each, "storage_locations", required=True) for each in locations)


def check_text(text: str, field: str, *, most: int = TEXT_BYTES_MAX, required: bool = False) -> str:
    """Text for people, of one line. Raises InvalidArgument."""
    if len(text.encode()) > most or text != text.strip() or not text.isprintable() or (required and not text):
        least = 1 if required else 0
        raise _refused(field, f"{field} must have {least} to {most} bytes in one line, without spaces at its ends")
    return text


def check_count(values: Sequence[object], field: str, *, least: int, most: int) -> None:
    if not least <= len(values) <= most:
        raise _refused(field, f"{field} must have {least} to {most} items, not {len(values)}")


def check_distinct(values: Sequence[object], field: str) -> None:
    if len(set(values)) != len(values):
        raise _refused(field, f"{field} has an item twice")


def check_span(span: timedelta, field: str, least: timedelta, most: timedelta) -> timedelta:
    if not least <= span <= most:
        raise _refused(field, f"{field} must be {least.total_seconds():.0f} to {most.total_seconds():.0f} seconds")
    return span


def margin(removal_time: timedelta) -> timedelta:
    """By how much a lease is shorter than the promise where nobody says how long it lasts: a hundredth, 5 seconds at
    least and 5 minutes at most. The time that a device can prove is behind by what its last proof took to arrive.
    """
    return min(max(removal_time / 100, MARGIN_MIN), MARGIN_MAX)


def lease_terms(
    *,
    removal_time: timedelta,
    duration: timedelta | None,
    max_staleness: timedelta | None,
    offline_grace: timedelta,
    on_silence: LeaseAction,
    on_expiry: LeaseAction,
) -> LeaseTerms:
    """Fit for what was promised: a lease and its grace end within the removal time, so that nothing stays usable longer
    even where no message arrives. Raises InvalidArgument.
    """
    grace = check_span(offline_grace, "lease_terms.offline_grace", timedelta(0), removal_time - LEASE_MIN)
    longest = removal_time - grace
    lasts = max(longest - margin(removal_time), LEASE_MIN) if duration is None else duration
    if not LEASE_MIN <= lasts <= longest:
        raise _refused(
            "lease_terms.duration",
            f"lease_terms.duration must be {LEASE_MIN.total_seconds():.0f} seconds at least, and with offline_grace "
            f"not longer than removal_time: {longest.total_seconds():.0f} seconds at most; after a withdrawal nothing "
            "may stay usable longer than was promised, also where no message arrives",
        )
    if max_staleness is not None:
        check_span(max_staleness, "lease_terms.max_staleness", timedelta(seconds=1), lasts)
    return LeaseTerms(
        duration=lasts,
        max_staleness=max_staleness,
        offline_grace=grace,
        on_silence=on_silence,
        on_expiry=on_expiry,
    )


def _refused(field: str, message: str) -> InvalidArgument:
    return InvalidArgument(Reason.FIELD_INVALID, message, field=field)
