"""The part of client.log that appends."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from hallmark.v1 import log_pb2
from hallmark_client import rpc
from hallmark_client.append_stream import AppendStream
from hallmark_client.calls import Calls
from hallmark_client.errors import HallmarkError, InvalidArgument
from hallmark_client.model.appending import Appended, AppendWait, ToAppend
from hallmark_client.transport import Stream
from hallmark_client.wire.appending import append_request, appended_of, batch_of, wait_argument

APPEND_BATCH_MAX: Final = 512
OUTSTANDING_MAX: Final = 128
"""Events of one stream that the server takes at a time."""
_STREAM_SECONDS: Final = 3600.0
"""Deadline of one stream; appending goes on with another."""


class Appending:
    """See hallmark_client.log.Log."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def append(
        self,
        event_type: str,
        subject: str,
        *,
        details: Mapping[str, str] | None = None,
        personal: Mapping[str, str] | None = None,
        person: str = "",
        wait: AppendWait = "published",
        request_id: str | None = None,
    ) -> Appended:
        """Put an event of yours into the log, once for each request_id, and get the proof.

        event_type: reverse domain form with two dots and more, such as com.example.model.released. subject: resource
        name or URI, at most 512 visible ASCII characters. details: up to 64 facts that everybody may read for ever,
        values of at most 4096 bytes. personal: up to 16 facts about people, which the log gets as salted commitments:
        keep the values, they are not stored. person: handle under which the salts can be erased together, such as a
        pseudonym. An entry has at most 65,535 bytes. request_id: the same one with the same event gives the same entry.
        Raises InvalidArgument, AlreadyExists (REQUEST_ID_REUSED), DeadlineExceeded (stored, but the proof is late:
        call again with the same request_id), ResourceExhausted (QUEUE_FULL, RATE_LIMITED), Unavailable.
        """
        item = ToAppend(
            event_type=event_type,
            subject=subject,
            details=details or {},
            personal=personal or {},
            person=person,
            request_id=request_id,
        )
        return self._calls(rpc.APPEND_ENTRY, self._request(item, wait), appended_of)

    def append_many(
        self, items: Sequence[ToAppend], *, wait: AppendWait = "published"
    ) -> list[Appended | HallmarkError]:
        """Up to 512 events in one call, several times cheaper than one by one. An answer or an error for each.

        Events stand and fall alone; those that succeed are committed together. Raises what concerns the whole call.
        """
        if not 1 <= len(items) <= APPEND_BATCH_MAX:
            raise InvalidArgument("BATCH_TOO_LARGE", f"a batch has 1 to {APPEND_BATCH_MAX} events, not {len(items)}")
        request = log_pb2.BatchAppendEntriesRequest(
            parent=self._calls.names.parent,
            requests=[self._request(item, wait) for item in items],
            wait=wait_argument(wait),
        )
        return self._calls(rpc.BATCH_APPEND_ENTRIES, request, lambda wire: batch_of(wire, len(items)))

    def append_stream(
        self, items: Iterable[ToAppend], *, wait: AppendWait = "published", outstanding_max: int = OUTSTANDING_MAX
    ) -> Iterator[tuple[ToAppend, Appended | HallmarkError]]:
        """Append events as they come, without a call for each: (event, answer or error), in the order of the answers.

        `items` is taken in another thread, never more than `outstanding_max` ahead of the answers; leaving the loop
        ends it. When the connection breaks, what is not answered is sent again under the same request_ids, so every
        event is in the log once. Each event comes back with its request_id: who gives them himself can go on after an
        error that was raised, by appending the same events again.
        Raises what concerns all events (PermissionDenied...), Unavailable and others that stay for as long as a call
        may take, and what `items` raises, once what came before it is answered.
        """
        if outstanding_max < 1:
            raise InvalidArgument("FIELD_INVALID", "outstanding_max must be positive")
        wait_argument(wait)

        def named(item: ToAppend) -> tuple[ToAppend, log_pb2.AppendEntryRequest]:
            whole = dataclasses.replace(item, request_id=self._calls.request_id(item.request_id))
            return whole, self._request(whole, wait)

        def open_stream(requests: Iterator[log_pb2.AppendEntryRequest]) -> Stream[log_pb2.AppendStreamResponse]:
            return self._calls.transport.converse(rpc.APPEND_STREAM, requests, _STREAM_SECONDS)

        return AppendStream(
            items=map(named, items),
            open_stream=open_stream,
            outstanding_max=outstanding_max,
            patience_seconds=self._calls.timeout_seconds,
            is_closed=lambda: self._calls.transport.closed,
            system=self._calls.system,
        ).outcomes()

    def _request(self, item: ToAppend, wait: AppendWait) -> log_pb2.AppendEntryRequest:
        request_id = self._calls.request_id(item.request_id)
        return append_request(item, parent=self._calls.names.parent, request_id=request_id, wait=wait)
