"""The part of LogService that proves."""

from hallmark.v1 import log_pb2
from kms.core.call import Call
from kms.log.model import ConsistencyProof, InclusionProof
from kms.log.service import TransparencyLog
from kms.log.wire import checkpoint_to_wire, entry_named


class ProofsRpc:
    def __init__(self, log: TransparencyLog, *, origin: str) -> None:
        self._log = log
        self._origin = origin

    async def GetCheckpoint(self, _request: log_pb2.GetCheckpointRequest, _call: Call) -> log_pb2.Checkpoint:  # noqa: N802
        return checkpoint_to_wire(await self._log.checkpoint(), self._origin)

    async def GetInclusionProof(  # noqa: N802
        self, request: log_pb2.GetInclusionProofRequest, _call: Call
    ) -> log_pb2.InclusionProof:
        return _inclusion_to_wire(await self._log.inclusion_proof(entry_named(request), tree_size=request.tree_size))

    async def GetConsistencyProof(  # noqa: N802
        self, request: log_pb2.GetConsistencyProofRequest, _call: Call
    ) -> log_pb2.ConsistencyProof:
        return _consistency_to_wire(await self._log.consistency_proof(request.old_size, new_size=request.new_size))


def _inclusion_to_wire(proof: InclusionProof) -> log_pb2.InclusionProof:
    return log_pb2.InclusionProof(
        leaf_index=proof.entry.index,
        tree_size=proof.tree_size,
        hashes=proof.hashes,
        leaf_hash=proof.entry.leaf_hash,
        entry=proof.entry.data,
        tlog_proof=proof.tlog_proof or b"",
    )


def _consistency_to_wire(proof: ConsistencyProof) -> log_pb2.ConsistencyProof:
    return log_pb2.ConsistencyProof(old_size=proof.old_size, new_size=proof.new_size, hashes=proof.hashes)
