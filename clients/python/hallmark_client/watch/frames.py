"""The frames of both feeds, and how they are read from the wire."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum, StrEnum
from typing import Final, TypeAlias

from google.protobuf.duration_pb2 import Duration

from hallmark.v1 import events_pb2
from hallmark_events.batch import BatchPath
from hallmark_events.heartbeat import HeartbeatEvidence
from hallmark_events.trust import LogEvidence, Signature
from hallmark_events.verified import EventEvidence

ACKNOWLEDGEMENTS_MAX: Final = 1000
"""In one request, together with what could not be verified."""


class Feed(StrEnum):
    """As heartbeats name them."""

    GLOBAL = "global"
    DEVICE = "device"


class Transfer(Enum):
    NONE = "none"
    CHANGES = "changes"
    FULL = "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    feed: Feed
    transfer: Transfer
    reason: str
    epoch: bytes
    cursor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One event, nothing of it believed yet. `data`: its set."""

    feed: Feed
    data: bytes = field(repr=False)
    evidence: EventEvidence = field(repr=False)
    urgent: bool
    cursor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookmark:
    feed: Feed
    sequence: int
    digest: bytes
    cursor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    evidence: HeartbeatEvidence = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Goodbye:
    reason: str
    retry_after_min: timedelta
    retry_after_max: timedelta


Frame: TypeAlias = Intent | Told | Bookmark | Heartbeat | Goodbye

_FEEDS: Final[dict[events_pb2.Feed, Feed]] = {events_pb2.FEED_GLOBAL: Feed.GLOBAL, events_pb2.FEED_DEVICE: Feed.DEVICE}
_TRANSFERS: Final[dict[int, Transfer]] = {
    events_pb2.WatchEventsResponse.Intent.TRANSFER_NONE: Transfer.NONE,
    events_pb2.WatchEventsResponse.Intent.TRANSFER_CHANGES: Transfer.CHANGES,
    events_pb2.WatchEventsResponse.Intent.TRANSFER_FULL: Transfer.FULL,
}


def frame_of(wire: events_pb2.WatchEventsResponse) -> Frame | None:
    """None for what only a newer client understands: an unknown frame, feed or transfer."""
    kind = wire.WhichOneof("frame")
    if kind == "heartbeat":
        return Heartbeat(evidence=_heartbeat_of(wire.heartbeat))
    if kind == "goodbye":
        goodbye = wire.goodbye
        return Goodbye(
            reason=goodbye.reason,
            retry_after_min=goodbye.retry_after_min.ToTimedelta(),
            retry_after_max=goodbye.retry_after_max.ToTimedelta(),
        )
    feed = _FEEDS.get(wire.feed)
    if feed is None:
        return None
    match kind:
        case "intent" if wire.intent.transfer in _TRANSFERS:
            intent = wire.intent
            transfer = _TRANSFERS[intent.transfer]
            return Intent(feed=feed, transfer=transfer, reason=intent.reason, epoch=intent.epoch, cursor=wire.cursor)
        case "event":
            urgent = wire.event.priority == events_pb2.EVENT_PRIORITY_URGENT
            evidence = evidence_of(wire.event)
            return Told(feed=feed, data=wire.event.set, evidence=evidence, urgent=urgent, cursor=wire.cursor)
        case "bookmark":
            mark = wire.bookmark
            return Bookmark(feed=feed, sequence=mark.sequence, digest=mark.state_digest, cursor=wire.cursor)
        case _:
            return None


def evidence_of(wire: events_pb2.Event) -> EventEvidence:
    return EventEvidence(
        signature=_signature_of(wire.signature.key_version, wire.signature.signature)
        if wire.HasField("signature")
        else None,
        batch=_path_of(wire.batch) if wire.HasField("batch") else None,
        log=LogEvidence(entry=wire.log.entry, tlog_proof=wire.log.tlog_proof),
    )


def watch_request(
    parent: str, starts: Mapping[Feed, tuple[str, bytes]], nonce: bytes, heartbeat: timedelta
) -> events_pb2.WatchEventsRequest:
    """starts: cursor and state digest of each feed."""
    interval = Duration()
    interval.FromTimedelta(heartbeat)
    return events_pb2.WatchEventsRequest(parent=parent, feeds=_starts(starts), nonce=nonce, heartbeat_interval=interval)


def poll_request(
    parent: str,
    starts: Mapping[Feed, tuple[str, bytes]],
    nonce: bytes,
    *,
    max_events: int,
    ack: Iterable[str],
    set_errs: Mapping[str, tuple[str, str]],
    return_immediately: bool,
) -> events_pb2.PollEventsRequest:
    return events_pb2.PollEventsRequest(
        parent=parent,
        feeds=_starts(starts),
        nonce=nonce,
        max_events=max_events,
        ack=ack,
        set_errs=_errors(set_errs),
        return_immediately=return_immediately,
    )


def acknowledge_request(
    parent: str, ack: Iterable[str], set_errs: Mapping[str, tuple[str, str]]
) -> events_pb2.AcknowledgeEventsRequest:
    return events_pb2.AcknowledgeEventsRequest(parent=parent, ack=ack, set_errs=_errors(set_errs))


def _starts(starts: Mapping[Feed, tuple[str, bytes]]) -> list[events_pb2.FeedStart]:
    numbers = {feed: number for number, feed in _FEEDS.items()}
    return [
        events_pb2.FeedStart(feed=numbers[feed], cursor=cursor, state_digest=digest)
        for feed, (cursor, digest) in starts.items()
    ]


def _errors(set_errs: Mapping[str, tuple[str, str]]) -> dict[str, events_pb2.SetError]:
    return {jti: events_pb2.SetError(err=err, description=text) for jti, (err, text) in set_errs.items()}


def _heartbeat_of(wire: events_pb2.WatchEventsResponse.Heartbeat) -> HeartbeatEvidence:
    return HeartbeatEvidence(
        payload=wire.payload,
        signature=_signature_of(wire.signature.key_version, wire.signature.signature),
        leaf=wire.leaf,
        path=_path_of(wire.path),
    )


def _signature_of(key_version: str, signature: bytes) -> Signature:
    return Signature(key_version=key_version, signature=signature)


def _path_of(wire: events_pb2.BatchProof) -> BatchPath:
    return BatchPath(wire.leaf_index, wire.tree_size, tuple(wire.path))
