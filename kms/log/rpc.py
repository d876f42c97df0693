"""LogService: the log for those who speak gRPC already. The public files are the truth; every role may read."""

from hallmark.v1 import log_pb2, log_pb2_grpc
from kms.core.call import Call
from kms.core.errors import InvalidArgument, Reason
from kms.log.model import ConsistencyProof, InclusionProof, PublishedCheckpoint
from kms.log.service import TransparencyLog

_EVENT_KEY_CHARACTERS_MAX = 64


class LogServicer(log_pb2_grpc.LogServiceServicer):
    def __init__(self, log: TransparencyLog, *, origin: str) -> None:
        self._log = log
        self._origin = origin

    async def GetCheckpoint(self, _request: log_pb2.GetCheckpointRequest, _call: Call) -> log_pb2.Checkpoint:
        return _checkpoint_to_wire(await self._log.checkpoint(), self._origin)

    async def GetInclusionProof(self, request: log_pb2.GetInclusionProofRequest, _call: Call) -> log_pb2.InclusionProof:
        return _inclusion_to_wire(await self._log.inclusion_proof(_entry_of(request), tree_size=request.tree_size))

    async def GetConsistencyProof(
        self, request: log_pb2.GetConsistencyProofRequest, _call: Call
    ) -> log_pb2.ConsistencyProof:
        return _consistency_to_wire(await self._log.consistency_proof(request.old_size, new_size=request.new_size))


def _entry_of(request: log_pb2.GetInclusionProofRequest) -> int | str:
    match request.WhichOneof("entry"):
        case "leaf_index":
            return request.leaf_index
        case "event_key" if 0 < len(request.event_key) <= _EVENT_KEY_CHARACTERS_MAX:
            return request.event_key
        case _:
            raise InvalidArgument(
                Reason.FIELD_INVALID, "entry must be a leaf_index, or the event_key of a log promise", field="entry"
            )


def _checkpoint_to_wire(published: PublishedCheckpoint, origin: str) -> log_pb2.Checkpoint:
    return log_pb2.Checkpoint(
        note=published.note, origin=origin, size=published.head.size, root_hash=published.head.root
    )


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
