"""client.revocations: take permission back, and follow what is taken back."""

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from google.protobuf.duration_pb2 import Duration

from hallmark.v1 import revocation_pb2
from hallmark_client import rpc
from hallmark_client.calls import Calls
from hallmark_client.errors import InvalidArgument
from hallmark_client.model.enums import LogWait, RevocationReason
from hallmark_client.model.revocations import Frame, RevocationEvent, Snapshot
from hallmark_client.model.signed import TrustedKeys
from hallmark_client.revocation_watch import OpenStream, Watch
from hallmark_client.transport import Stream
from hallmark_client.wire.revocations import event_of, revoked_of
from hallmark_client.wire.scalars import enum_argument, log_wait_argument, number_of, timestamp_argument

_STREAM_SECONDS: Final = 3600.0
"""Deadline of one stream; the watch resumes by itself. Spreads long-lived watchers over replicas, too."""


class Revocations:
    """Reached as `client.revocations`. Subjects may be short: "manifest", "manifest/versions/2", "devices/{id}"."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def revoke(
        self,
        subject: str,
        reason: RevocationReason | str,
        *,
        effective_time: datetime | None = None,
        request_id: str | None = None,
        wait: LogWait = "committed",
    ) -> RevocationEvent:
        """Revoke a key, a key version or a device. Revoking twice is answered with the first event, unless only the
        second says that the secret may be known.

        effective_time: from when the subject is no longer to be trusted; default now, may lie in the past, not in the
        future; needs a time zone. Raises NotFound, InvalidArgument.
        """
        request = revocation_pb2.RevokeRequest(
            subject=self._calls.names.subject(subject),
            reason=number_of(enum_argument(RevocationReason, reason, "reason")),
            request_id=self._calls.request_id(request_id),
            log_wait=log_wait_argument(wait),
        )
        if effective_time is not None:
            request.effective_time.CopyFrom(timestamp_argument(effective_time, "effective_time"))
        return self._calls(rpc.REVOKE, request, revoked_of)

    def list(self, subject: str | None = None, *, page_size: int = 0) -> Iterator[RevocationEvent]:
        """Revocations, oldest first, fetched page by page; of one subject when given."""
        for page in self._pages(subject, page_size):
            yield from page.events

    def snapshot(self) -> Snapshot:
        """All revocations so far and the cursor for a watch that goes on from there without a gap."""
        pages = list(self._pages(None, 0))
        return Snapshot(events=tuple(event for page in pages for event in page.events), cursor=pages[-1].cursor)

    def watch(
        self,
        *,
        cursor: str = "",
        nonce: bytes | None = None,
        heartbeat_seconds: float = 30.0,
        trusted_keys: TrustedKeys | None = None,
        stop: threading.Event | None = None,
    ) -> Iterator[Frame]:
        """Events after the cursor, then live ones, with bookmarks and heartbeats between. Blocks between frames.

        Goes on by itself, with jittered back-off, when the connection or the server is lost; never yields an event
        twice. Keep the `cursor` of the newest frame that was applied. Ends when `stop` is set or the client is closed.

        nonce: 16 to 64 random bytes; heartbeats are then signed over it. heartbeat_seconds: 1 to 300.
        trusted_keys: when given, every event and heartbeat is verified before it is yielded, and every stream uses a
        fresh nonce of its own unless one was given.
        Raises CursorInvalid (go back to `snapshot`), SignatureInvalid, VerificationFailed, TransportRefused,
        PermissionDenied, Unauthenticated, InvalidArgument.
        """
        if not 1 <= heartbeat_seconds <= 300:
            raise InvalidArgument("FIELD_INVALID", "heartbeat_seconds is 1 to 300")
        return Watch(
            open_stream=self._stream_opener(heartbeat_seconds),
            parent=self._calls.names.parent,
            cursor=cursor,
            nonce=nonce,
            heartbeat_seconds=heartbeat_seconds,
            trusted_keys=trusted_keys,
            stop=stop,
            is_closed=lambda: self._calls.transport.closed,
            system=self._calls.system,
        ).frames()

    def _stream_opener(self, heartbeat_seconds: float) -> OpenStream:
        interval = Duration()
        interval.FromTimedelta(timedelta(seconds=heartbeat_seconds))

        def open_stream(cursor: str, nonce: bytes) -> Stream[revocation_pb2.WatchRevocationsResponse]:
            request = revocation_pb2.WatchRevocationsRequest(
                parent=self._calls.names.parent, cursor=cursor, nonce=nonce, heartbeat_interval=interval
            )
            return self._calls.transport.stream(rpc.WATCH_REVOCATIONS, request, _STREAM_SECONDS)

        return open_stream

    def _pages(self, subject: str | None, page_size: int) -> Iterator[Snapshot]:
        token = ""
        while True:
            request = revocation_pb2.ListRevocationsRequest(
                parent=self._calls.names.parent,
                page_size=page_size,
                page_token=token,
                subject=self._calls.names.subject(subject) if subject else "",
            )
            page, token = self._calls(rpc.LIST_REVOCATIONS, request, _page_of)
            yield page
            if not token:
                return


def _page_of(wire: revocation_pb2.ListRevocationsResponse) -> tuple[Snapshot, str]:
    return Snapshot(events=tuple(event_of(event) for event in wire.events), cursor=wire.cursor), wire.next_page_token
