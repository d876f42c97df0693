"""Requests of EventService read strictly; what is wrong with one is said by field."""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from google.protobuf import duration_pb2

from hallmark.v1 import events_pb2
from kms.core.errors import InvalidArgument, PermissionDenied, Reason
from kms.core.names import UUID_PATTERN, ChildName
from kms.events.cursor import CursorCodec, TokenKind
from kms.events.model import GLOBAL, Position, device_feed
from kms.events.resuming import Start, Why

NONCE_BYTES: Final = (16, 64)
HEARTBEAT_SECONDS_DEFAULT: Final = 30.0
HEARTBEAT_SECONDS: Final = (1.0, 300.0)
MAX_EVENTS: Final = 1000
MAX_EVENTS_DEFAULT: Final = 100
ACKNOWLEDGED_MAX: Final = 1000
DIGEST_BYTES: Final = 32
_JTI: Final = re.compile(UUID_PATTERN)
_JTI_CHARACTERS_MAX: Final = 64
_ERROR: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_DESCRIPTION_CHARACTERS_MAX: Final = 512


def starts_from_wire(
    feeds: Sequence[events_pb2.FeedStart], tenant: str, device: ChildName | None, codec: CursorCodec, *, pages: bool
) -> list[Start]:
    """Each feed at most once, at least one. `pages`: a full transfer may be gone on with in the middle.

    The name of a device's feed comes from the caller's certificate alone. Raises InvalidArgument, PermissionDenied.
    """
    if not 1 <= len(feeds) <= len({feed.feed for feed in feeds}):
        raise _invalid("feeds", "feeds must name each feed once, and at least one")
    return [_start(feed, tenant, _feed_name(feed.feed, device), codec, pages=pages) for feed in feeds]


def nonce_from_wire(nonce: bytes) -> bytes:
    """Empty: no proof is wanted."""
    if nonce and not NONCE_BYTES[0] <= len(nonce) <= NONCE_BYTES[1]:
        raise _invalid("nonce", "nonce must be 16 to 64 random bytes, or be left out")
    return nonce


def interval_from_wire(request: events_pb2.WatchEventsRequest) -> float:
    """Seconds."""
    if not request.HasField("heartbeat_interval"):
        return HEARTBEAT_SECONDS_DEFAULT
    seconds = _seconds(request.heartbeat_interval)
    if seconds is None or not HEARTBEAT_SECONDS[0] <= seconds <= HEARTBEAT_SECONDS[1]:
        raise _invalid("heartbeat_interval", "heartbeat_interval must be 1 s to 5 min, or be left out")
    return seconds


def max_events_from_wire(number: int) -> int:
    if not 0 <= number <= MAX_EVENTS:
        raise _invalid("max_events", f"max_events must be 0 to {MAX_EVENTS}")
    return number or MAX_EVENTS_DEFAULT


def acknowledgements_from_wire(
    ack: Sequence[str], set_errs: Mapping[str, events_pb2.SetError]
) -> dict[str, tuple[str, str]]:
    """By jti (error, description), both empty for what was applied. What can be no jti of ours is left out: unknown
    events are ignored (RFC 8936, section 2.4). Raises InvalidArgument.
    """
    if len(ack) + len(set_errs) > ACKNOWLEDGED_MAX:
        raise _invalid("ack", f"ack and set_errs together name at most {ACKNOWLEDGED_MAX} events")
    if any(len(jti) > _JTI_CHARACTERS_MAX for jti in (*ack, *set_errs)):
        raise _invalid("ack", f"a jti has at most {_JTI_CHARACTERS_MAX} characters")
    found = {jti: _error(error) for jti, error in set_errs.items()}
    found |= dict.fromkeys(ack, ("", ""))
    return {jti: said for jti, said in found.items() if _JTI.fullmatch(jti)}


def _start(feed: events_pb2.FeedStart, tenant: str, name: str, codec: CursorCodec, *, pages: bool) -> Start:
    digest = feed.state_digest
    if digest and len(digest) != DIGEST_BYTES:
        raise _invalid("feeds.state_digest", f"state_digest is {DIGEST_BYTES} bytes, or is left out")
    if not feed.cursor:
        return Start(tenant, name)
    position = _position(feed.cursor, tenant, name, codec, TokenKind.CURSOR)
    if position is not None:
        return Start(tenant, name, position, digest=digest)
    position = _position(feed.cursor, tenant, name, codec, TokenKind.FULL) if pages else None
    if position is not None:
        return Start(tenant, name, position, amid_full=True)
    return Start(tenant, name, why=Why.CURSOR_INVALID)


def _position(cursor: str, tenant: str, name: str, codec: CursorCodec, kind: TokenKind) -> Position | None:
    try:
        return codec.decode(kind, cursor, tenant=tenant, feed=name)
    except InvalidArgument:
        return None


def _feed_name(feed: events_pb2.Feed, device: ChildName | None) -> str:
    match feed:
        case events_pb2.FEED_GLOBAL:
            return GLOBAL
        case events_pb2.FEED_DEVICE:
            return device_feed(own_device(device))
        case _:
            raise _invalid("feeds.feed", "feed must be FEED_GLOBAL or FEED_DEVICE")


def own_device(device: ChildName | None) -> ChildName:
    """The device that calls. Raises the same PermissionDenied for everybody else."""
    if device is None:
        raise PermissionDenied(
            Reason.ROLE_NOT_ALLOWED, "the feed of a device is for that device: call with the certificate it was given"
        )
    return device


def _error(error: events_pb2.SetError) -> tuple[str, str]:
    if not _ERROR.fullmatch(error.err):
        raise _invalid("set_errs.err", "err must be a code such as invalid_request (RFC 8936, section 2.6)")
    if len(error.description) > _DESCRIPTION_CHARACTERS_MAX or not error.description.isprintable():
        raise _invalid(
            "set_errs.description", f"description is one line of at most {_DESCRIPTION_CHARACTERS_MAX} characters"
        )
    return error.err, error.description


def _seconds(duration: duration_pb2.Duration) -> float | None:
    """None for what is no valid duration."""
    try:
        return duration.ToTimedelta() / timedelta(seconds=1)
    except (ValueError, OverflowError):
        return None


def _invalid(field: str, message: str) -> InvalidArgument:
    return InvalidArgument(Reason.FIELD_INVALID, message, field=field)
