"""Revocation events and watch frames from the wire."""

from hallmark.v1 import revocation_pb2
from hallmark_client.errors import Internal
from hallmark_client.model.enums import AssuranceLevel, InitiatingEntity, RevocationReason
from hallmark_client.model.revocations import (
    AssuranceChange,
    Bookmark,
    Event,
    Frame,
    Goodbye,
    Heartbeat,
    RevocationEvent,
)
from hallmark_client.wire.log import promise_of
from hallmark_client.wire.scalars import member_of, moment, span
from hallmark_client.wire.signed import signature_of


def event_of(wire: revocation_pb2.RevocationEvent, *, replayed: bool = False) -> RevocationEvent:
    return RevocationEvent(
        name=wire.name,
        subject=wire.subject,
        reason=member_of(RevocationReason, wire.reason),
        event_time=moment(wire.event_time),
        effective_time=moment(wire.effective_time),
        initiating_entity=member_of(InitiatingEntity, wire.initiating_entity),
        assurance=_assurance_of(wire),
        payload=wire.payload,
        signature=signature_of(wire.signature),
        log=promise_of(wire.log),
        replayed=replayed,
    )


def _assurance_of(wire: revocation_pb2.RevocationEvent) -> AssuranceChange | None:
    if not wire.HasField("assurance_change"):
        return None
    change = wire.assurance_change
    return AssuranceChange(
        current_level=member_of(AssuranceLevel, change.current_level),
        previous_level=member_of(AssuranceLevel, change.previous_level),
        verdict=change.verdict,
    )


def revoked_of(wire: revocation_pb2.RevokeResponse) -> RevocationEvent:
    return event_of(wire.event, replayed=wire.replayed)


def frame_of(wire: revocation_pb2.WatchRevocationsResponse) -> Frame | None:
    """None for a kind of frame this release does not know. Raises Internal for one that makes no sense."""
    try:
        return _frame_of(wire)
    except (ValueError, OverflowError) as error:  # a time or a duration outside what it can mean
        raise Internal("ANSWER_INVALID", f"the server sent a frame that makes no sense: {error}") from error


def _frame_of(wire: revocation_pb2.WatchRevocationsResponse) -> Frame | None:
    match wire.WhichOneof("frame"):
        case "event":
            return Event(event=event_of(wire.event), cursor=wire.cursor)
        case "bookmark":
            return Bookmark(sequence=wire.bookmark.sequence, cursor=wire.cursor)
        case "heartbeat":
            beat = wire.heartbeat
            return Heartbeat(
                server_time=moment(beat.server_time),
                next_in=span(beat.next_in),
                payload=beat.payload,
                signature=signature_of(beat.signature) if beat.HasField("signature") else None,
                cursor=wire.cursor,
            )
        case "goodbye":
            return _goodbye_of(wire)
        case _:
            return None


def _goodbye_of(wire: revocation_pb2.WatchRevocationsResponse) -> Goodbye:
    shortest, longest = span(wire.goodbye.retry_after_min), span(wire.goodbye.retry_after_max)
    if longest < shortest:
        raise Internal("ANSWER_INVALID", "the server said goodbye with a longest wait below its shortest")
    return Goodbye(reason=wire.goodbye.reason, retry_after_min=shortest, retry_after_max=longest, cursor=wire.cursor)
