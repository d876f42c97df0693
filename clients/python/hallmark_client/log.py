"""client.log: the transparency log by gRPC. Auditors read its public files instead, through hallmark_tlog."""

from hallmark.v1 import log_pb2
from hallmark_client import rpc
from hallmark_client.calls import Calls
from hallmark_client.errors import InvalidArgument
from hallmark_client.model.log import Checkpoint, ConsistencyProof, InclusionProof
from hallmark_client.wire.log import checkpoint_of, consistency_proof_of, inclusion_proof_of


class Log:
    """Reached as `client.log`. Answers are claims until their `verify` has run with keys from elsewhere."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

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
        if (leaf_index is None) == (event_key is None):
            raise InvalidArgument("FIELD_INVALID", "give leaf_index or event_key, and not both")
        request = log_pb2.GetInclusionProofRequest(leaf_index=leaf_index, event_key=event_key, tree_size=tree_size)
        return self._calls(rpc.GET_INCLUSION_PROOF, request, inclusion_proof_of)

    def consistency_proof(self, old_size: int, new_size: int = 0) -> ConsistencyProof:
        """Proof that the log of old_size is a prefix of that of new_size; 0 is the published one.

        Raises InvalidArgument (TREE_SIZE_UNKNOWN).
        """
        request = log_pb2.GetConsistencyProofRequest(old_size=old_size, new_size=new_size)
        return self._calls(rpc.GET_CONSISTENCY_PROOF, request, consistency_proof_of)
