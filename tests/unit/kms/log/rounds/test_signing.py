import logging
from datetime import timedelta

import pytest

from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.merkle import EMPTY_ROOT
from hallmark_tlog.note import parse_note
from hallmark_tlog.verify import Require, open_checkpoint
from hallmark_tlog.vkey import KeyType
from hsm.errors import SealBroken, SignatureFault, TokenUnavailable
from hsm.material import Ed25519KeyMaterial
from hsm.testing import FakeKeyProvider, Operation
from kms.core.clock import SystemClock
from kms.core.steady_time import SteadyTime
from kms.log import store
from kms.log.errors import OriginChanged
from kms.log.keys import succession_store
from kms.log.keys.keys import LogKeys, ensure_keys
from kms.log.model import TreeHead
from kms.log.rounds.signing import CheckpointSigner
from support.clock import START
from support.log_world import ORIGIN, LogWorld

HEAD = TreeHead(12, b"r" * 32)


async def no_change(_keys: LogKeys) -> None:
    raise AssertionError("the keys are the same")


async def signer_of(world: LogWorld) -> CheckpointSigner:
    keys = await ensure_keys(world.database, world.provider, origin=ORIGIN, now=START)
    steady = SteadyTime(world.clock)
    return CheckpointSigner(world.database, world.provider, keys, steady=steady, keys_changed=no_change)


async def sign(world: LogWorld, signer: CheckpointSigner, head: TreeHead, now) -> bytes:
    return await signer.sign(head, now, await world.read(signer.look))


def time_of(signer: CheckpointSigner, note: bytes) -> int:
    (time,) = {signer.timestamp for signer in open_checkpoint(note, signer.keys.verifiers).signers} - {None}
    return time


async def stored_at(world: LogWorld, signer: CheckpointSigner, size: int, now) -> bytes:
    head = TreeHead(size, b"r" * 32)
    note = await sign(world, signer, head, now)
    await world.database.write(lambda tx: store.insert_intent(tx, head))
    await world.database.write(lambda tx: store.store_note(tx, head, note, now))
    return note


async def test_a_note_has_both_lines_and_a_time(world: LogWorld) -> None:
    signer = await signer_of(world)
    note = await sign(world, signer, HEAD, START)
    opened = open_checkpoint(note, signer.keys.verifiers, origin=ORIGIN, require=Require.ALL)
    assert opened.checkpoint == Checkpoint(ORIGIN, 12, b"r" * 32)
    assert [(signer.name, signer.type, signer.timestamp) for signer in opened.signers] == [
        (ORIGIN, KeyType.ED25519, None),
        (ORIGIN, KeyType.ML_DSA_44, int(START.timestamp())),
    ]
    assert [len(line.blob) for line in parse_note(note).signatures] == [64, 8 + 2420]


async def test_the_empty_tree_can_be_signed(world: LogWorld) -> None:
    signer = await signer_of(world)
    note = await sign(world, signer, TreeHead(0, EMPTY_ROOT), START)
    assert open_checkpoint(note, signer.keys.verifiers, require=Require.ALL).checkpoint.size == 0


async def test_the_sealed_seed_signs_for_this_log_only(world: LogWorld) -> None:
    signer = await signer_of(world)
    ml_dsa = signer.keys.every[1]
    with pytest.raises(SealBroken):
        await world.provider.sign_mldsa(ml_dsa.material, message=b"x", context=b"", key_binding=b"other.example/log")


async def test_a_note_that_does_not_verify_is_never_released(world: LogWorld) -> None:
    class WrongSignatures(FakeKeyProvider):
        async def sign_ed25519(self, material: Ed25519KeyMaterial, *, message: bytes) -> bytes:
            return await super().sign_ed25519(material, message=message + b" ")

    world.provider.__class__ = WrongSignatures
    with pytest.raises(SignatureFault):
        await sign(world, await signer_of(world), HEAD, START)


async def test_a_lost_token_is_the_providers_error(world: LogWorld) -> None:
    world.provider.fail_next(Operation.SIGN, TokenUnavailable("gone"))
    with pytest.raises(TokenUnavailable):
        await sign(world, await signer_of(world), HEAD, SystemClock().now())


async def test_time_never_goes_back_between_checkpoints(world: LogWorld, caplog: pytest.LogCaptureFixture) -> None:
    signer = await signer_of(world)
    first = await stored_at(world, signer, 1, START + timedelta(days=400))  # the clock was set ahead
    with caplog.at_level(logging.WARNING, logger="kms.log.rounds.signing"):
        second = await stored_at(world, signer, 2, START)
        third = await stored_at(world, signer, 3, START + timedelta(minutes=10))
    assert time_of(signer, first) == time_of(signer, second) == time_of(signer, third)
    assert [record.levelname for record in caplog.records] == ["WARNING"], "said once"
    assert f"{400 * 86400} seconds behind the newest checkpoint" in caplog.text
    fourth = await stored_at(world, signer, 4, START + timedelta(days=401))
    assert time_of(signer, fourth) == int((START + timedelta(days=401)).timestamp())


async def test_replicas_whose_clocks_differ_a_little_are_no_news(
    world: LogWorld, caplog: pytest.LogCaptureFixture
) -> None:
    signer = await signer_of(world)
    first = await stored_at(world, signer, 1, START)
    second = await stored_at(world, signer, 2, START - timedelta(seconds=30))
    assert time_of(signer, first) == time_of(signer, second)
    assert caplog.records == []


async def test_a_log_that_was_followed_signs_nothing_more(world: LogWorld) -> None:
    signer = await signer_of(world)
    await world.database.write(lambda tx: succession_store.begin_anew(tx, "log.example/next", "logs/2/"))
    with pytest.raises(OriginChanged):
        await sign(world, signer, HEAD, START)
