import pytest

from hallmark.v1 import log_pb2
from hallmark_tlog.merkle import verify_consistency, verify_inclusion
from hallmark_tlog.proof import verify_proof
from hallmark_tlog.verify import open_checkpoint
from kms.core.call import Call, Channel
from kms.core.errors import InvalidArgument
from kms.core.identity import Caller, Role
from kms.log.proofs_rpc import ProofsRpc
from support.clock import START
from support.log_world import ORIGIN, LogWorld

CALL = Call(
    "id",
    "/hallmark.v1.LogService/GetCheckpoint",
    Caller("spiffe://x/tenants/default/auditor/a", "default", Role.AUDITOR, "a"),
    Channel("peer", "TLSv1.3", "X25519MLKEM768"),
    START,
)


@pytest.fixture
async def servicer(world: LogWorld) -> ProofsRpc:
    await world.act(9)
    await world.log.step()
    return ProofsRpc(world.log, origin=ORIGIN)


async def test_checkpoint(world: LogWorld, servicer: ProofsRpc) -> None:
    answer = await servicer.GetCheckpoint(log_pb2.GetCheckpointRequest(), CALL)
    opened = open_checkpoint(answer.note, world.log.verifier_keys(), origin=answer.origin).checkpoint
    assert (answer.size, answer.root_hash) == (opened.size, opened.root)
    assert answer.size == 9


@pytest.mark.parametrize("by_key", [True, False])
async def test_inclusion(world: LogWorld, servicer: ProofsRpc, by_key: bool) -> None:
    promise = world.recorded[0]
    chosen = {"event_key": promise.event_key} if by_key else {"leaf_index": 0}
    answer = await servicer.GetInclusionProof(log_pb2.GetInclusionProofRequest(**chosen), CALL)
    root = (await world.log.checkpoint()).head.root
    verify_inclusion(answer.leaf_index, answer.tree_size, answer.leaf_hash, answer.hashes, root)
    assert verify_proof(answer.tlog_proof, answer.entry, world.log.verifier_keys(), origin=ORIGIN).index == 0
    assert answer.entry == promise.entry


async def test_inclusion_in_an_older_tree_has_no_file(servicer: ProofsRpc) -> None:
    request = log_pb2.GetInclusionProofRequest(leaf_index=1, tree_size=4)
    answer = await servicer.GetInclusionProof(request, CALL)
    assert (answer.tree_size, answer.tlog_proof) == (4, b"")


async def test_consistency(world: LogWorld, servicer: ProofsRpc) -> None:
    old = (await world.log.checkpoint()).head
    await world.act(20)
    await world.log.step()
    new = (await world.log.checkpoint()).head
    answer = await servicer.GetConsistencyProof(log_pb2.GetConsistencyProofRequest(old_size=9), CALL)
    verify_consistency(old.size, old.root, answer.new_size, new.root, answer.hashes)


@pytest.mark.parametrize("request_", [{}, {"event_key": ""}, {"event_key": "x" * 65}])
async def test_an_entry_must_be_named(servicer: ProofsRpc, request_: dict[str, str]) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await servicer.GetInclusionProof(log_pb2.GetInclusionProofRequest(**request_), CALL)
    assert caught.value.field == "entry"
