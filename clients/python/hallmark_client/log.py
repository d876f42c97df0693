"""client.log: the transparency log by gRPC. Auditors read its public files instead, through hallmark_tlog."""

import threading
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from hallmark.v1 import log_pb2
from hallmark_client import rpc
from hallmark_client.appending import Appending
from hallmark_client.calls import Calls
from hallmark_client.errors import InvalidArgument
from hallmark_client.log_keys import LogKeys
from hallmark_client.log_stream import EntryFollower
from hallmark_client.model.log import Checkpoint, ConsistencyProof, InclusionProof
from hallmark_client.model.log_entries import (
    RECEIPT_ALGORITHMS,
    CoseReceipt,
    Erasure,
    LogBatch,
    LogRecord,
    Openings,
)
from hallmark_client.transport import Stream
from hallmark_client.wire.log import checkpoint_of, consistency_proof_of, inclusion_proof_of
from hallmark_client.wire.log_entries import erasure_of, openings_of, receipt_of, record_of
from hallmark_client.wire.scalars import timestamp_argument

_STREAM_SECONDS: Final = 3600.0
"""Deadline of one stream; following goes on by itself."""


class Log(Appending):
    """Reached as `client.log`. Answers are claims until their `verify` has run with keys from elsewhere."""

    def __init__(self, calls: Calls) -> None:
        super().__init__(calls)
        self.keys = LogKeys(calls)

    def checkpoint(self) -> Checkpoint:
        """The published checkpoint."""
        return self._calls(rpc.GET_CHECKPOINT, log_pb2.GetCheckpointRequest(), checkpoint_of)

    def inclusion_proof(
        self, *, leaf_index: int | None = None, event_key: str | None = None, tree_size: int = 0
    ) -> InclusionProof:
        """Proof that an entry, by index or by the event_key of a promise, is in the tree.

        tree_size: 0 is the published one. Raises NotFound (LOG_ENTRY_NOT_FOUND) while the entry is not published yet,
        InvalidArgument (TREE_SIZE_UNKNOWN).
        """
        _check_one(leaf_index, event_key)
        request = log_pb2.GetInclusionProofRequest(leaf_index=leaf_index, event_key=event_key, tree_size=tree_size)
        return self._calls(rpc.GET_INCLUSION_PROOF, request, inclusion_proof_of)

    def consistency_proof(self, old_size: int, new_size: int = 0) -> ConsistencyProof:
        """Proof that the log of old_size is a prefix of that of new_size; 0 is the published one.

        Raises InvalidArgument (TREE_SIZE_UNKNOWN).
        """
        request = log_pb2.GetConsistencyProofRequest(old_size=old_size, new_size=new_size)
        return self._calls(rpc.GET_CONSISTENCY_PROOF, request, consistency_proof_of)

    def entry(self, *, leaf_index: int | None = None, event_key: str | None = None) -> LogRecord:
        """A published entry. Raises NotFound (LOG_ENTRY_NOT_FOUND)."""
        _check_one(leaf_index, event_key)
        return self._calls(
            rpc.GET_ENTRY, log_pb2.GetEntryRequest(leaf_index=leaf_index, event_key=event_key), record_of
        )

    def entries(self, start: int = 0) -> Iterator[LogRecord]:
        """The published entries from an index on, in order, to the end of the log."""
        for batch in self.stream(start):
            yield from batch.entries

    def stream(
        self, start: int = 0, *, follow: bool = False, stop: threading.Event | None = None
    ) -> Iterator[LogBatch]:
        """The same with the checkpoints that cover them. With `follow`, then what is published next: blocks between
        batches, goes on by itself when the server is lost, ends when `stop` is set or the client is closed.

        Raises InvalidArgument (TREE_SIZE_UNKNOWN) when so much is not published.
        """

        def open_stream(index: int) -> Stream[log_pb2.StreamEntriesResponse]:
            request = log_pb2.StreamEntriesRequest(start_index=index, follow=follow)
            return self._calls.transport.stream(rpc.STREAM_ENTRIES, request, _STREAM_SECONDS)

        return EntryFollower(
            open_stream=open_stream,
            index=start,
            follow=follow,
            stop=stop,
            is_closed=lambda: self._calls.transport.closed,
            system=self._calls.system,
        ).batches()

    def find(
        self,
        *,
        subject: str = "",
        event_type: str = "",
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        oldest_first: bool = False,
        page_size: int = 0,
    ) -> Iterator[LogRecord]:
        """Published entries of this tenant, the newest first, fetched page by page.

        subject: exactly as in the entry, or all below it when it ends in /*. start_time is included, end_time is not;
        both need a time zone. The index lags the publication by moments. Raises InvalidArgument.
        """
        request = log_pb2.ListEntriesRequest(
            parent=self._calls.names.parent,
            subject=subject,
            event_type=event_type,
            oldest_first=oldest_first,
            page_size=page_size,
        )
        if start_time is not None:
            request.start_time.CopyFrom(timestamp_argument(start_time, "start_time"))
        if end_time is not None:
            request.end_time.CopyFrom(timestamp_argument(end_time, "end_time"))
        while True:
            records, request.page_token = self._calls(rpc.LIST_ENTRIES, request, _page_of)
            yield from records
            if not request.page_token:
                return

    def open(self, event_key: str) -> Openings:
        """What opens the commitments of an entry of this tenant.

        Raises NotFound (LOG_ENTRY_NOT_FOUND), FailedPrecondition (COMMITMENT_ERASED).
        """
        return self._calls(rpc.OPEN_COMMITMENTS, log_pb2.OpenCommitmentsRequest(event_key=event_key), openings_of)

    def erase(
        self,
        *,
        event_key: str | None = None,
        person: str | None = None,
        reason: str = "",
        request_id: str | None = None,
    ) -> Erasure:
        """Destroy the salts of one entry, or of everything that was appended with the handle `person`. It can not be
        undone. The log says that it was done, with commitments to handle and reason.

        Raises NotFound (LOG_ENTRY_NOT_FOUND), InvalidArgument, AlreadyExists (REQUEST_ID_REUSED).
        """
        if (event_key is None) == (person is None):
            raise InvalidArgument("FIELD_INVALID", "give event_key or person, and not both")
        request = log_pb2.EraseCommitmentsRequest(
            parent=self._calls.names.parent,
            request_id=self._calls.request_id(request_id),
            event_key=event_key,
            person=person,
            reason=reason,
        )
        return self._calls(rpc.ERASE_COMMITMENTS, request, erasure_of)

    def receipt(
        self, *, leaf_index: int | None = None, event_key: str | None = None, algorithm: str = "EdDSA"
    ) -> CoseReceipt:
        """COSE Receipt (RFC 9942) of an entry. algorithm: "EdDSA" or "ML-DSA-44".

        Raises NotFound (LOG_ENTRY_NOT_FOUND), Unavailable (HSM_UNAVAILABLE).
        """
        _check_one(leaf_index, event_key)
        if algorithm not in RECEIPT_ALGORITHMS:
            raise InvalidArgument("FIELD_INVALID", f"algorithm is one of {', '.join(RECEIPT_ALGORITHMS)}")
        request = log_pb2.GetCoseReceiptRequest(
            leaf_index=leaf_index, event_key=event_key, algorithm=RECEIPT_ALGORITHMS[algorithm]
        )
        return self._calls(rpc.GET_COSE_RECEIPT, request, receipt_of)


def _check_one(leaf_index: int | None, event_key: str | None) -> None:
    if (leaf_index is None) == (event_key is None):
        raise InvalidArgument("FIELD_INVALID", "give leaf_index or event_key, and not both")


def _page_of(wire: log_pb2.ListEntriesResponse) -> tuple[list[LogRecord], str]:
    return [record_of(entry) for entry in wire.entries], wire.next_page_token
