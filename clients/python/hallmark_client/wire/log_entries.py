"""Entries, openings and receipts from the wire."""

from datetime import UTC

from hallmark.v1 import log_pb2
from hallmark_client.model.log_entries import CoseReceipt, Erasure, LogBatch, LogRecord, Opening, Openings
from hallmark_client.wire.log import checkpoint_of, promise_of


def record_of(wire: log_pb2.EntryRecord) -> LogRecord:
    return LogRecord(leaf_index=wire.leaf_index, leaf_hash=wire.leaf_hash, entry=wire.entry)


def batch_of(wire: log_pb2.StreamEntriesResponse) -> LogBatch:
    return LogBatch(
        entries=tuple(record_of(entry) for entry in wire.entries),
        checkpoint=checkpoint_of(wire.checkpoint) if wire.HasField("checkpoint") else None,
    )


def openings_of(wire: log_pb2.OpenCommitmentsResponse) -> Openings:
    openings = [Opening(name=one.name, salt=one.salt, commitment=one.commitment) for one in wire.openings]
    return Openings(entry=wire.entry, openings=tuple(openings))


def erasure_of(wire: log_pb2.EraseCommitmentsResponse) -> Erasure:
    return Erasure(
        erased_entries=wire.erased_entries,
        erase_time=wire.erase_time.ToDatetime(tzinfo=UTC),
        log=promise_of(wire.log),
    )


def receipt_of(wire: log_pb2.CoseReceipt) -> CoseReceipt:
    return CoseReceipt(
        receipt=wire.receipt,
        entry=wire.entry,
        leaf_index=wire.leaf_index,
        tree_size=wire.tree_size,
        cose_key=wire.cose_key,
    )
