"""Revocation events and the frames of a watch."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeAlias, TypeVar

from hallmark_client.errors import VerificationFailed
from hallmark_client.model.claims import EVENT_CONTEXT, EventClaims, read_event
from hallmark_client.model.enums import AssuranceLevel, InitiatingEntity, RevocationReason
from hallmark_client.model.log import LogPromise
from hallmark_client.model.result import Result
from hallmark_client.model.signed import ServiceSignature, TrustedKeys

Word = TypeVar("Word", bound=StrEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssuranceChange(Result):
    """The stored evidence of a device was judged again, and the answer is another one. Nothing is revoked.

    verdict: the new one; `client.devices` tells more about it.
    """

    current_level: AssuranceLevel
    previous_level: AssuranceLevel
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedEvent(Result):
    """Proved: the holder of key_version signed exactly this. Read from the signed payload, not from the wire fields."""

    key_version: str
    name: str
    subject: str
    reason: RevocationReason
    event_time: datetime
    effective_time: datetime
    assurance: AssuranceChange | None = None

    def to_dict(self) -> dict[str, Any]:
        """As `Result.to_dict`; a change of assurance has no reason."""
        return _without_reason(Result.to_dict(self)) if self.assurance is not None else Result.to_dict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationEvent(Result):
    """A revocation. effective_time: from when the subject is no longer to be trusted; may lie before event_time.

    assurance: when set, the event revokes nothing and its reason is UNKNOWN: look at the levels.
    payload: the signed bytes, a Security Event Token claims set (RFC 8417) as canonical JSON.
    replayed: only on the answer of `revoke`.
    """

    name: str
    subject: str
    reason: RevocationReason
    event_time: datetime
    effective_time: datetime
    initiating_entity: InitiatingEntity
    payload: bytes
    signature: ServiceSignature
    log: LogPromise
    assurance: AssuranceChange | None = None
    replayed: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As `Result.to_dict`; a change of assurance has no reason."""
        return _without_reason(Result.to_dict(self)) if self.assurance is not None else Result.to_dict(self)

    def verify(self, trusted_keys: TrustedKeys) -> VerifiedEvent:
        """Check the signature, and that the fields repeat the signed payload.

        Raises SignatureInvalid, or VerificationFailed (KEY_NOT_TRUSTED, CONTEXT_MISMATCH, EVENT_INVALID).
        """
        self.signature.verify(self.payload, trusted_keys, context=EVENT_CONTEXT)
        claims = read_event(self.payload)
        tenant = claims.subject.split("/")[1] if claims.subject.startswith("tenants/") else ""
        signed = (f"tenants/{tenant}/revocations/{claims.id}", claims.subject, claims.event_time, claims.effective_time)
        if signed != (self.name, self.subject, self.event_time, self.effective_time):
            raise VerificationFailed("EVENT_INVALID", "the event's fields say something else than its signed payload")
        # Words that this release does not know are UNKNOWN on the wire, and so they are here.
        reason = _known(RevocationReason, claims.reason)
        assurance = _assurance_of(claims)
        entity = _known(InitiatingEntity, claims.initiating_entity.upper())
        if (reason, entity, assurance) != (self.reason, self.initiating_entity, self.assurance):
            raise VerificationFailed("EVENT_INVALID", "the event's reason, initiator or levels are not the signed ones")
        return VerifiedEvent(
            key_version=self.signature.key_version,
            name=self.name,
            subject=claims.subject,
            reason=reason,
            event_time=claims.event_time,
            effective_time=claims.effective_time,
            assurance=assurance,
        )


def _without_reason(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "reason"}


def _assurance_of(claims: EventClaims) -> AssuranceChange | None:
    if claims.assurance is None:
        return None
    return AssuranceChange(
        current_level=_known(AssuranceLevel, _word(claims.assurance.current)),
        previous_level=_known(AssuranceLevel, _word(claims.assurance.previous)),
        verdict=claims.assurance.verdict,
    )


def _word(level: str) -> str:
    return level.upper().replace("-", "_")


def _known(kind: type[Word], name: str) -> Word:
    return kind[name] if name in kind.__members__ else kind["UNKNOWN"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot(Result):
    """All revocations so far, oldest first, and the cursor from which a watch goes on without a gap."""

    events: tuple[RevocationEvent, ...]
    cursor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Result):
    """Something was revoked."""

    event: RevocationEvent
    cursor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookmark(Result):
    """Everything up to here has been sent. sequence: position of the newest event."""

    sequence: int
    cursor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat(Result):
    """The stream lives. next_in: when to expect the next. payload, signature: over our nonce, when one was sent."""

    server_time: datetime
    next_in: timedelta
    payload: bytes
    signature: ServiceSignature | None
    cursor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Goodbye(Result):
    """The server is about to close; the watch comes back by itself after a random time between the two."""

    reason: str
    retry_after_min: timedelta
    retry_after_max: timedelta
    cursor: str


Frame: TypeAlias = Event | Bookmark | Heartbeat | Goodbye
"""One frame of a watch. Store `cursor` once the frame is applied; it is where `watch(cursor=...)` goes on."""
