from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from hallmark_tlog.merkle import root_from_leaves, verify_consistency, verify_inclusion
from hallmark_tlog.proof import parse_proof, verify_proof
from kms.core.errors import InvalidArgument, NotFound, OutOfRange, Reason, ServiceError
from kms.log import proofs
from support.log_world import ORIGIN, LogWorld

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def grown(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LogWorld]:
    """Published at sizes 5, 256, 300; two more entries sequenced, two queued. These tests only read."""
    world = LogWorld(tmp_path_factory.mktemp("log"))
    await world.open()
    await world.log.prepare()
    for count in (5, 251, 44):
        await world.act(count)
        await world.log.step()
    await world.act(2)
    await world.log._sequencer.drain()
    await world.act(2)
    yield world
    await world.close()


def leaves(world: LogWorld) -> list[bytes]:
    return [promise.leaf_hash for promise in world.recorded]


@pytest.mark.parametrize("tree_size", [300, 299, 256, 5, 1])
async def test_inclusion_at_any_size_up_to_the_published_one(grown: LogWorld, tree_size: int) -> None:
    root = root_from_leaves(leaves(grown)[:tree_size])
    for index in {0, 1, 4, 254, 255, 256, 298, 299} & set(range(tree_size)):
        proof = await grown.log.inclusion_proof(index, tree_size=tree_size)
        assert (proof.entry.index, proof.entry.data) == (index, grown.recorded[index].entry)
        verify_inclusion(index, proof.tree_size, proof.entry.leaf_hash, proof.hashes, root)
        assert (proof.tlog_proof is not None) == (tree_size == 300)


async def test_a_proof_by_event_key_is_a_file_anybody_can_verify(grown: LogWorld) -> None:
    promise = grown.recorded[123]
    proof = await grown.log.inclusion_proof(promise.event_key)
    assert proof.tlog_proof is not None
    fact = verify_proof(proof.tlog_proof, promise.entry, grown.log.verifier_keys(), origin=ORIGIN)
    assert (fact.index, fact.checkpoint.checkpoint.size) == (123, 300)
    assert parse_proof(proof.tlog_proof).path == proof.hashes


@pytest.mark.parametrize(
    ("entry", "tree_size", "error", "reason"),
    [
        (300, 0, NotFound, Reason.LOG_ENTRY_NOT_FOUND),  # sequenced, not published
        (302, 0, NotFound, Reason.LOG_ENTRY_NOT_FOUND),  # queued
        (5, 5, NotFound, Reason.LOG_ENTRY_NOT_FOUND),
        (-1, 0, NotFound, Reason.LOG_ENTRY_NOT_FOUND),
        (2**63 - 1, 0, NotFound, Reason.LOG_ENTRY_NOT_FOUND),
        ("no such key", 0, NotFound, Reason.LOG_ENTRY_NOT_FOUND),
        (0, 301, OutOfRange, Reason.TREE_SIZE_UNKNOWN),
        (0, 2**63 - 1, OutOfRange, Reason.TREE_SIZE_UNKNOWN),
        (0, -1, InvalidArgument, Reason.FIELD_INVALID),
    ],
)
async def test_what_cannot_be_proved_is_a_typed_error(
    grown: LogWorld, entry: int | str, tree_size: int, error: type[ServiceError], reason: Reason
) -> None:
    with pytest.raises(error) as caught:
        await grown.log.inclusion_proof(entry, tree_size=tree_size)
    assert caught.value.reason == reason


async def test_an_unpublished_entry_is_not_found_by_key(grown: LogWorld) -> None:
    for promise in grown.recorded[300:]:
        with pytest.raises(NotFound, match="may need a moment"):
            await grown.log.inclusion_proof(promise.event_key)


@pytest.mark.parametrize("old", [0, 1, 5, 255, 256, 257, 300])
@pytest.mark.parametrize("new", [0, 300, 257])
async def test_consistency_between_any_sizes(grown: LogWorld, old: int, new: int) -> None:
    if old > (new or 300):
        with pytest.raises(InvalidArgument):
            await grown.log.consistency_proof(old, new_size=new)
        return
    proof = await grown.log.consistency_proof(old, new_size=new)
    assert (proof.old_size, proof.new_size) == (old, new or 300)
    roots = [root_from_leaves(leaves(grown)[:size]) for size in (proof.old_size, proof.new_size)]
    verify_consistency(proof.old_size, roots[0], proof.new_size, roots[1], proof.hashes)


@pytest.mark.parametrize(("old", "new"), [(301, 0), (0, 301), (301, 302)])
async def test_consistency_with_what_is_not_published(grown: LogWorld, old: int, new: int) -> None:
    with pytest.raises(OutOfRange) as caught:
        await grown.log.consistency_proof(old, new_size=new)
    assert caught.value.reason == Reason.TREE_SIZE_UNKNOWN


async def test_receipts_for_many_at_once_cover_what_is_published_only(grown: LogWorld) -> None:
    published = await grown.log.checkpoint()
    keys = [promise.event_key for promise in grown.recorded]
    known = {keys[7]: 7, keys[299]: 299, "not covered": 300}
    places = dict.fromkeys([*keys, *(f"x{n}" for n in range(600))]) | known
    receipts = await grown.read(lambda tx: proofs.receipts(tx, published.head.size, places))
    assert receipts.keys() == set(keys[:300])
    for index in (0, 255, 256, 299):
        promise = grown.recorded[index]
        receipt = receipts[promise.event_key].under(published.note)
        fact = verify_proof(receipt.tlog_proof, promise.entry, grown.log.verifier_keys(), origin=ORIGIN)
        assert fact.index == receipt.leaf_index == index
