"""Log promises and proofs from the wire."""

from hallmark.v1 import common_pb2, log_pb2
from hallmark_client.model.log import Checkpoint, ConsistencyProof, InclusionProof, LogPromise


def promise_of(wire: common_pb2.LogPromise) -> LogPromise:
    return LogPromise(
        leaf_hash=wire.leaf_hash,
        event_key=wire.event_key,
        leaf_index=wire.leaf_index if wire.HasField("leaf_index") else None,
        tlog_proof=wire.tlog_proof,
        entry=wire.entry,
    )


def checkpoint_of(wire: log_pb2.Checkpoint) -> Checkpoint:
    return Checkpoint(note=wire.note, origin=wire.origin, size=wire.size, root_hash=wire.root_hash)


def inclusion_proof_of(wire: log_pb2.InclusionProof) -> InclusionProof:
    return InclusionProof(
        leaf_index=wire.leaf_index,
        tree_size=wire.tree_size,
        hashes=tuple(wire.hashes),
        leaf_hash=wire.leaf_hash,
        entry=wire.entry,
        tlog_proof=wire.tlog_proof,
    )


def consistency_proof_of(wire: log_pb2.ConsistencyProof) -> ConsistencyProof:
    return ConsistencyProof(old_size=wire.old_size, new_size=wire.new_size, hashes=tuple(wire.hashes))
