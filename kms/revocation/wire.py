"""Revocations on the wire: model <-> protobuf."""

from datetime import UTC, datetime, timedelta
from typing import assert_never

from google.protobuf import duration_pb2, timestamp_pb2

from hallmark.v1 import common_pb2, revocation_pb2
from kms.core.errors import InvalidArgument, Reason
from kms.events.cursor import CursorCodec, TokenKind
from kms.events.model import InitiatingEntity
from kms.keys.wire import service_signature_to_wire
from kms.log.wire import promise_to_wire
from kms.revocation.model import (
    AssuranceChange,
    AssuranceLevel,
    BookmarkFrame,
    EventFrame,
    Frame,
    GoodbyeFrame,
    HeartbeatFrame,
    RevocationEvent,
    RevocationReason,
)

HEARTBEAT_SECONDS_DEFAULT = 30.0
HEARTBEAT_SECONDS_MIN = 1.0
HEARTBEAT_SECONDS_MAX = 300.0
NONCE_BYTES_MIN = 16
NONCE_BYTES_MAX = 64

_REASONS: dict[revocation_pb2.RevocationReason, RevocationReason] = {
    revocation_pb2.REVOCATION_REASON_KEY_COMPROMISE: RevocationReason.KEY_COMPROMISE,
    revocation_pb2.REVOCATION_REASON_SUPERSEDED: RevocationReason.SUPERSEDED,
    revocation_pb2.REVOCATION_REASON_CESSATION_OF_OPERATION: RevocationReason.CESSATION_OF_OPERATION,
    revocation_pb2.REVOCATION_REASON_DEVICE_LOST: RevocationReason.DEVICE_LOST,
    revocation_pb2.REVOCATION_REASON_DEVICE_COMPROMISED: RevocationReason.DEVICE_COMPROMISED,
    revocation_pb2.REVOCATION_REASON_POLICY_VIOLATION: RevocationReason.POLICY_VIOLATION,
    revocation_pb2.REVOCATION_REASON_WITHDRAWN: RevocationReason.WITHDRAWN,
}
_REASON_NUMBERS = {reason: number for number, reason in _REASONS.items()}
_LEVELS = {
    AssuranceLevel.APPRAISED: revocation_pb2.ASSURANCE_LEVEL_APPRAISED,
    AssuranceLevel.NOT_APPRAISED: revocation_pb2.ASSURANCE_LEVEL_NOT_APPRAISED,
}
_INITIATORS = {
    InitiatingEntity.ADMIN: common_pb2.INITIATING_ENTITY_ADMIN,
    InitiatingEntity.USER: common_pb2.INITIATING_ENTITY_USER,
    InitiatingEntity.POLICY: common_pb2.INITIATING_ENTITY_POLICY,
    InitiatingEntity.SYSTEM: common_pb2.INITIATING_ENTITY_SYSTEM,
}


def reason_from_wire(number: revocation_pb2.RevocationReason) -> RevocationReason:
    if number not in _REASONS:
        raise InvalidArgument(
            Reason.FIELD_INVALID, "reason is required: say why, with one of the listed reasons", field="reason"
        )
    return _REASONS[number]


def effective_time_from_wire(request: revocation_pb2.RevokeRequest) -> datetime | None:
    """None when it was left out. Raises InvalidArgument for what is no point in time."""
    if not request.HasField("effective_time"):
        return None
    try:
        return request.effective_time.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidArgument(
            Reason.FIELD_INVALID, "effective_time is not a valid google.protobuf.Timestamp", field="effective_time"
        ) from None


def nonce_from_wire(nonce: bytes) -> bytes:
    if nonce and not NONCE_BYTES_MIN <= len(nonce) <= NONCE_BYTES_MAX:
        raise InvalidArgument(
            Reason.FIELD_INVALID,
            f"nonce must have {NONCE_BYTES_MIN} to {NONCE_BYTES_MAX} random bytes, or be left out",
            field="nonce",
        )
    return nonce


def heartbeat_seconds_from_wire(request: revocation_pb2.WatchRevocationsRequest) -> float:
    if not request.HasField("heartbeat_interval"):
        return HEARTBEAT_SECONDS_DEFAULT
    seconds = request.heartbeat_interval.seconds + request.heartbeat_interval.nanos / 1e9
    if not HEARTBEAT_SECONDS_MIN <= seconds <= HEARTBEAT_SECONDS_MAX:
        raise InvalidArgument(
            Reason.FIELD_INVALID,
            f"heartbeat_interval must be {HEARTBEAT_SECONDS_MIN:.0f} to {HEARTBEAT_SECONDS_MAX:.0f} seconds",
            field="heartbeat_interval",
        )
    return seconds


def event_to_wire(event: RevocationEvent) -> revocation_pb2.RevocationEvent:
    revocation = event.revocation
    reason, change = revocation_pb2.REVOCATION_REASON_UNSPECIFIED, None
    if isinstance(revocation, AssuranceChange):
        change = revocation_pb2.AssuranceChange(
            current_level=_LEVELS[revocation.current],
            previous_level=_LEVELS[revocation.previous],
            verdict=revocation.verdict,
        )
    else:
        reason = _REASON_NUMBERS[revocation.reason]
    return revocation_pb2.RevocationEvent(
        name=str(revocation.name),
        subject=str(revocation.subject),
        reason=reason,
        assurance_change=change,
        event_time=_time(revocation.event_time),
        effective_time=_time(revocation.effective_time),
        initiating_entity=_INITIATORS[revocation.initiating_entity],
        payload=event.payload,
        signature=service_signature_to_wire(event.signature),
        log=promise_to_wire(event.promise),
    )


def frame_to_wire(frame: Frame, codec: CursorCodec) -> revocation_pb2.WatchRevocationsResponse:
    message = revocation_pb2.WatchRevocationsResponse(cursor=codec.encode(TokenKind.CURSOR, frame.position))
    match frame:
        case EventFrame():
            message.event.CopyFrom(event_to_wire(frame.event))
        case BookmarkFrame():
            message.bookmark.sequence = frame.position.sequence
            message.bookmark.SetInParent()
        case HeartbeatFrame():
            message.heartbeat.CopyFrom(_heartbeat(frame))
        case GoodbyeFrame():
            message.goodbye.reason = frame.reason
            message.goodbye.retry_after_min.CopyFrom(_duration(frame.retry_after_min_seconds))
            message.goodbye.retry_after_max.CopyFrom(_duration(frame.retry_after_max_seconds))
        case _:
            assert_never(frame)
    return message


def _heartbeat(frame: HeartbeatFrame) -> revocation_pb2.WatchRevocationsResponse.Heartbeat:
    return revocation_pb2.WatchRevocationsResponse.Heartbeat(
        server_time=_time(frame.server_time),
        next_in=_duration(frame.next_in_seconds),
        payload=frame.payload,
        signature=None if frame.signature is None else service_signature_to_wire(frame.signature),
    )


def _time(moment: datetime) -> timestamp_pb2.Timestamp:
    message = timestamp_pb2.Timestamp()
    message.FromDatetime(moment)
    return message


def _duration(seconds: float) -> duration_pb2.Duration:
    message = duration_pb2.Duration()
    message.FromTimedelta(timedelta(seconds=seconds))
    return message
