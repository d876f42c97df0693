import asyncio

import pytest

from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.merkle import EMPTY_ROOT
from hallmark_tlog.note import parse_note
from hallmark_tlog.verify import Require, open_checkpoint
from hallmark_tlog.vkey import KeyType, parse_vkey
from hsm.errors import SealBroken, SignatureFault, TokenUnavailable
from hsm.material import Ed25519KeyMaterial
from hsm.testing import FakeKeyProvider, Operation
from kms.core.clock import SystemClock
from kms.log import signing
from kms.log.model import TreeHead
from support.clock import START
from support.log_world import ORIGIN, LogWorld

HEAD = TreeHead(12, b"r" * 32)


async def keys_of(world: LogWorld) -> signing.LogKeys:
    return await signing.ensure_keys(world.database, world.provider, origin=ORIGIN, now=START)


async def test_a_note_has_both_lines_and_a_time(world: LogWorld) -> None:
    keys = await keys_of(world)
    note = await signing.CheckpointSigner(world.provider, keys).sign(HEAD, START)
    opened = open_checkpoint(note, keys.verifiers, origin=ORIGIN, require=Require.ALL)
    assert opened.checkpoint == Checkpoint(ORIGIN, 12, b"r" * 32)
    assert [(signer.name, signer.type, signer.timestamp) for signer in opened.signers] == [
        (ORIGIN, KeyType.ED25519, None),
        (ORIGIN, KeyType.ML_DSA_44, int(START.timestamp())),
    ]
    assert [len(line.blob) for line in parse_note(note).signatures] == [64, 8 + 2420]


async def test_the_empty_tree_can_be_signed(world: LogWorld) -> None:
    keys = await keys_of(world)
    note = await signing.CheckpointSigner(world.provider, keys).sign(TreeHead(0, EMPTY_ROOT), START)
    assert open_checkpoint(note, keys.verifiers, require=Require.ALL).checkpoint.size == 0


async def test_keys_are_made_once(world: LogWorld) -> None:
    keys = await keys_of(world)
    await world.reopen()
    assert await keys_of(world) == keys


async def test_replicas_that_start_at_once_share_one_pair(bare_world: LogWorld) -> None:
    await asyncio.gather(*(bare_world.on_same_data(bare_world.files).prepare() for _ in range(5)))
    keys = await keys_of(bare_world)
    assert await signing.CheckpointSigner(bare_world.provider, keys).sign(HEAD, SystemClock().now())
    assert len(bare_world.provider._token._keys) == 1, "the pairs that came too late left nothing in the token"


async def test_the_sealed_seed_signs_for_this_log_only(world: LogWorld) -> None:
    keys = await keys_of(world)
    moved = signing.LogKeys("other.example/log", keys.ed25519, keys.ml_dsa)
    with pytest.raises(SealBroken):
        await signing.CheckpointSigner(world.provider, moved).sign(HEAD, START)


async def test_a_note_that_does_not_verify_is_never_released(world: LogWorld) -> None:
    class WrongSignatures(FakeKeyProvider):
        async def sign_ed25519(self, material: Ed25519KeyMaterial, *, message: bytes) -> bytes:
            return await super().sign_ed25519(material, message=message + b" ")

    world.provider.__class__ = WrongSignatures
    with pytest.raises(SignatureFault):
        await signing.CheckpointSigner(world.provider, await keys_of(world)).sign(HEAD, START)


async def test_a_lost_token_is_the_providers_error(world: LogWorld) -> None:
    world.provider.fail_next(Operation.SIGN, TokenUnavailable("gone"))
    with pytest.raises(TokenUnavailable):
        await signing.CheckpointSigner(world.provider, await keys_of(world)).sign(HEAD, START)


async def test_the_public_file_has_one_vkey_a_line(world: LogWorld) -> None:
    keys = await keys_of(world)
    lines = signing.format_verifier_keys(keys.verifiers).decode().split("\n")
    assert [parse_vkey(line) for line in lines[:-1]] == list(keys.verifiers)
    assert lines[-1] == ""
