"""Frames as bytes: encoded once, sent to as many as want them."""

from dataclasses import dataclass
from datetime import timedelta
from typing import assert_never

from hallmark.v1 import events_pb2
from kms.events.cursor import CursorCodec, TokenKind
from kms.events.model import GLOBAL, Event, Placed, Position, Priority
from kms.events.reading import Answer, Head
from kms.events.resuming import Transfer, Why
from kms.keys.wire import service_signature_to_wire
from kms.log.wire import write_promise

Response = events_pb2.WatchEventsResponse
HASH_BYTES = 32
_PRIORITIES = {
    Priority.URGENT: events_pb2.EVENT_PRIORITY_URGENT,
    Priority.LEASE: events_pb2.EVENT_PRIORITY_LEASE,
    Priority.INFORMATION: events_pb2.EVENT_PRIORITY_INFORMATION,
}


def wire_feed(feed: str) -> events_pb2.Feed:
    return events_pb2.FEED_GLOBAL if feed == GLOBAL else events_pb2.FEED_DEVICE


def event_to_wire(event: Event) -> events_pb2.Event:
    message = events_pb2.Event(set=event.payload, priority=_PRIORITIES[event.priority])
    if event.signature is not None:
        message.signature.CopyFrom(service_signature_to_wire(event.signature))
    if (place := event.place) is not None:
        message.batch.leaf_index = place.leaf_index
        message.batch.tree_size = place.batch.tree_size
        message.batch.path.extend(place.path[at : at + HASH_BYTES] for at in range(0, len(place.path), HASH_BYTES))
    write_promise(message.log, event.proved)
    return message


@dataclass(frozen=True, slots=True)
class FrameWriter:
    """WatchEventsResponse messages, serialised."""

    codec: CursorCodec

    def intent(self, at: Position, transfer: Transfer, why: Why) -> bytes:
        intent = Response.Intent(transfer=_transfer_to_wire(transfer), reason=why.value, epoch=at.epoch)
        return self._frame(at, Response(intent=intent))

    def event(self, placed: Placed, cursor_at: Position, *, amid_full: bool = False) -> bytes:
        return self._frame(cursor_at, Response(event=event_to_wire(placed.event)), amid_full=amid_full)

    def bookmark(self, at: Position, head: Head) -> bytes:
        bookmark = Response.Bookmark(sequence=head.sequence, state_digest=head.digest)
        return self._frame(at, Response(bookmark=bookmark))

    def answer(self, answer: Answer, *, why: Why | None = None, quiet: bool = False) -> list[bytes]:
        """Intent, events, and the bookmark when nothing remains. `why` instead of the answer's; `quiet`: no intent.

        Events that take something back come first. A reader that is interrupted among events that changed their places
        must begin the whole answer again, so all but the last carry the cursor of its beginning.
        """
        frames = []
        if not (answer.goes_on or quiet):
            frames.append(self.intent(answer.before, answer.transfer, answer.why if why is None else why))
        amid_full = answer.transfer is Transfer.FULL
        ordered = sorted(answer.events, key=lambda placed: (placed.event.priority, placed.sequence))
        for place, each in enumerate(ordered, 1):
            cursor_at = answer.after if place == len(ordered) else answer.before
            frames.append(self.event(each, cursor_at, amid_full=amid_full))
        if answer.head is not None:
            frames.append(self.bookmark(answer.after, answer.head))
        return frames

    def _frame(self, at: Position, frame: Response, *, amid_full: bool = False) -> bytes:
        frame.feed = wire_feed(at.feed)
        frame.cursor = self.codec.encode(TokenKind.FULL if amid_full else TokenKind.CURSOR, at)
        return frame.SerializeToString()


def goodbye(reason: str, retry_min: timedelta, retry_max: timedelta) -> bytes:
    frame = Response.Goodbye(reason=reason, retry_after_min=retry_min, retry_after_max=retry_max)
    return Response(goodbye=frame).SerializeToString()


def _transfer_to_wire(transfer: Transfer) -> events_pb2.WatchEventsResponse.Intent.Transfer:
    match transfer:
        case Transfer.NONE:
            return Response.Intent.TRANSFER_NONE
        case Transfer.CHANGES:
            return Response.Intent.TRANSFER_CHANGES
        case Transfer.FULL:
            return Response.Intent.TRANSFER_FULL
        case _:
            assert_never(transfer)
