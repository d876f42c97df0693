"""What a replica signs for an edge: what is so, and nothing else."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
import sqlalchemy as sa

from kms.edge.notary import REPLACED_AFTER, Notary, began_at, find_heads
from kms.edge.wire import Lost
from kms.events.heartbeats import Claim, HeartbeatSigner, Proof
from kms.events.model import GLOBAL, device_feed
from kms.events.reading import Head
from kms.events.replacing import replace_history
from kms.events.tables import feed
from unit.kms.events.bench import TENANT, Replica, device_named

MINE, OTHER = device_named(1), device_named(2)
NONCE = b"n" * 16


@pytest.fixture
def notary(replica: Replica) -> Notary:
    events = replica.events
    signer = HeartbeatSigner(events.signing, events.randomness, events.issuer)
    return Notary(
        database=events.database, prover=signer, clock=replica.world.clock, replace=partial(replace_history, events)
    )


async def _head(replica: Replica, name: str = GLOBAL) -> tuple[bytes, Head]:
    return (await replica.database.read(lambda tx: find_heads(tx, {TENANT: {name}})))[TENANT, name]


def _claim(head: tuple[bytes, Head]) -> Claim:
    return Claim(TENANT, None, NONCE, {"global": head})


async def _is_signed(notary: Notary, claim: Claim) -> bool:
    (proof,), _ = await notary.sign([claim])
    assert proof is None or proof.leaf == claim.leaf()
    return proof is not None


async def test_only_the_end_of_a_feed_is_signed(notary: Notary, replica: Replica) -> None:
    await replica.act("keys/a")
    epoch, old = await _head(replica)
    assert await _is_signed(notary, _claim((epoch, old)))
    await replica.act("keys/b")
    epoch, new = await _head(replica)
    assert await _is_signed(notary, _claim((epoch, new)))
    for wrong in (
        (epoch, old),
        (epoch, replace(new, sequence=new.sequence + 1)),
        (epoch, replace(new, sequence=new.sequence - 1)),
        (epoch, replace(new, digest=old.digest)),
        (bytes(16), new),
    ):
        assert not await _is_signed(notary, _claim(wrong))


async def test_one_stale_position_leaves_the_others_of_the_batch_signed(notary: Notary, replica: Replica) -> None:
    await replica.act("keys/a")
    stale = _claim(await _head(replica))
    await replica.act("keys/b")
    fresh = _claim(await _head(replica))
    proofs, now = await notary.sign([stale, fresh, stale])
    assert [isinstance(proof, Proof) for proof in proofs] == [False, True, False]
    assert now == replica.world.clock.now()


async def test_both_feeds_of_a_device_must_be_at_their_ends(notary: Notary, replica: Replica) -> None:
    await replica.act("keys/a")
    await replica.act("leases/mine", feeds=[device_feed(MINE)])
    everybody, mine = await _head(replica), await _head(replica, device_feed(MINE))
    claim = Claim(TENANT, MINE, NONCE, {"global": everybody, "device": mine})
    assert await _is_signed(notary, claim)
    assert not await _is_signed(notary, replace(claim, device=OTHER)), "the feed of another device says something else"
    await replica.act("leases/mine", feeds=[device_feed(MINE)])
    assert not await _is_signed(notary, claim)


async def test_a_tenant_without_feeds_has_nothing_signed(notary: Notary) -> None:
    claim = Claim("nobody", None, NONCE, {"global": (bytes(16), Head(0, bytes(32)))})
    assert not await _is_signed(notary, claim)


async def test_feeds_that_have_not_begun_are_begun(notary: Notary, replica: Replica) -> None:
    await notary.replace_lost([Lost("newcomer", b"")])
    heads = await replica.database.read(lambda tx: find_heads(tx, {"newcomer": {GLOBAL}}))
    assert heads["newcomer", GLOBAL][1].sequence == 0
    await notary.replace_lost([Lost("newcomer", b"")])
    assert heads == await replica.database.read(lambda tx: find_heads(tx, {"newcomer": {GLOBAL}})), "once"


async def test_an_edge_can_not_have_histories_replaced_again_and_again(notary: Notary, replica: Replica) -> None:
    await replica.act("keys/a")
    epoch, _ = await _head(replica)
    await notary.replace_lost([Lost(TENANT, epoch)])
    assert (await _head(replica))[0] == epoch, "it has just begun"
    replica.world.clock.advance(REPLACED_AFTER.total_seconds() + 1)
    await notary.replace_lost([Lost(TENANT, bytes(16))])
    assert (await _head(replica))[0] == epoch, "it is not the one in force"
    await notary.replace_lost([Lost(TENANT, epoch)])
    fresh, _ = await _head(replica)
    assert fresh > epoch
    await notary.replace_lost([Lost(TENANT, fresh)])
    assert (await _head(replica))[0] == fresh


async def test_an_epoch_of_the_far_future_is_no_error(notary: Notary, replica: Replica) -> None:
    assert began_at(b"\xff" * 16) - replica.world.clock.now() > timedelta(days=1)
    await notary.replace_lost([Lost(TENANT, b"\xff" * 16)])
    count = await replica.database.read(lambda tx: tx.execute(sa.select(sa.func.count()).select_from(feed)).scalar())
    assert count is not None
