"""Reads the signed bytes of revocation events and heartbeats. Call it on bytes whose signature has been verified.

An event is a Security Event Token claims set (RFC 8417) with one event in it; what CAEP has no name for stands in that
event's member "hallmark.v1": reason, effective_time, event_time. A heartbeat has parent, server_time, nonce, sequence.
"""

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from hallmark_client.errors import VerificationFailed

EVENT_CONTEXT: Final = "hallmark/revocation-event/v1"
"""Signature context of revocation events: a signature made for anything else never counts as one."""
ASSURANCE_LEVEL_CHANGE: Final = "https://schemas.openid.net/secevent/caep/event-type/assurance-level-change"
HEARTBEAT_CONTEXT: Final = "hallmark/heartbeat/v1"

_OWN_NAMESPACE: Final = "hallmark.v1"
_MAX_PAYLOAD_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class AssuranceClaims:
    """Levels before and after (CAEP 1.0, section 3.4), and the name of the verdict."""

    current: str
    previous: str
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventClaims:
    """What an event says. id: of the event (jti). Times in UTC. `reason` is empty when `assurance` is set."""

    id: str
    subject: str
    reason: str
    initiating_entity: str
    event_time: datetime
    effective_time: datetime
    assurance: AssuranceClaims | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatClaims:
    """What a heartbeat says. sequence: position of the newest event then."""

    parent: str
    server_time: datetime
    nonce: bytes
    sequence: int


def read_event(payload: bytes) -> EventClaims:
    """Raises VerificationFailed (EVENT_INVALID), whatever the bytes."""
    try:
        claims = _object(payload)
        (event,) = claims["events"].values()
        own = event[_OWN_NAMESPACE]
        (uri,) = claims["events"]
        assurance = _assurance(event, own) if uri == ASSURANCE_LEVEL_CHANGE else None
        return EventClaims(
            id=_text(claims["jti"]),
            subject=_subject(claims["sub_id"], own),
            reason="" if assurance is not None else _text(own["reason"]),
            initiating_entity=_text(event["initiating_entity"]),
            event_time=_time(own["event_time"]),
            effective_time=_time(own["effective_time"]),
            assurance=assurance,
        )
    except _MALFORMED as error:
        raise VerificationFailed("EVENT_INVALID", "the signed event is not the claims set it should be") from error


def read_heartbeat(payload: bytes) -> HeartbeatClaims:
    """Raises VerificationFailed (HEARTBEAT_INVALID), whatever the bytes."""
    try:
        claims = _object(payload)
        return HeartbeatClaims(
            parent=_text(claims["parent"]),
            server_time=_time(claims["server_time"]),
            nonce=base64.b64decode(_text(claims["nonce"]), validate=True),
            sequence=_number(claims["sequence"]),
        )
    except _MALFORMED as error:
        raise VerificationFailed("HEARTBEAT_INVALID", "the signed heartbeat is not what it should be") from error


def _subject(sub_id: dict[str, Any], own: dict[str, Any]) -> str:
    """The resource's name stands in our own member; events of the first release have it in sub_id alone."""
    told = _text(own.get("subject", sub_id.get("id")))
    if sub_id["format"] == "opaque" and sub_id["id"] != told:
        raise ValueError("two subjects")
    return told


def _assurance(event: dict[str, Any], own: dict[str, Any]) -> AssuranceClaims:
    return AssuranceClaims(
        current=_text(event["current_level"]), previous=_text(event["previous_level"]), verdict=_text(own["verdict"])
    )


_MALFORMED: Final = (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError, binascii.Error)


def _object(payload: bytes) -> dict[str, Any]:
    if len(payload) > _MAX_PAYLOAD_BYTES:
        raise ValueError("too large")
    return dict(json.loads(payload))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a string")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("not an integer")
    return value


def _time(value: object) -> datetime:
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment.astimezone(UTC)
