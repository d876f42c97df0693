import asyncio
import json
from datetime import timedelta

import pytest

from hallmark_tlog.errors import NotSigned
from hallmark_tlog.note import parse_note
from hallmark_tlog.proof import verify_proof
from hallmark_tlog.verify import Require, open_checkpoint
from hallmark_tlog.vkey import parse_vkey
from hsm.errors import TokenUnavailable
from hsm.testing import Operation
from kms.core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, Unavailable
from kms.core.idempotency import RequestKey
from kms.log.keys.key_life import LogKeyLife
from support.keys_world import ADMIN
from support.log_world import LogWorld

REQUEST = "6b1f6a0e-58cf-4d0a-9a8e-3f4f6f0c1d11"
OTHER = "6b1f6a0e-58cf-4d0a-9a8e-3f4f6f0c1d12"


def request(request_id: str = REQUEST, body: bytes = b"") -> RequestKey:
    return RequestKey.of(ADMIN, request_id, "RotateLogKey", body)


def life_of(world: LogWorld) -> LogKeyLife:
    return LogKeyLife(world.database, world.provider, world.log)


async def rotate(world: LogWorld, request_id: str = REQUEST, overlap: timedelta | None = None):
    return await life_of(world).rotate(request=request(request_id), overlap=overlap, now=world.clock.now())


async def published(world: LogWorld) -> bytes:
    await world.act()
    await world.log.step()
    return (await world.log.checkpoint()).note


def entry_types(entries) -> list[str]:
    return [json.loads(entry.data)["type"] for entry in entries]


async def test_both_keys_sign_until_the_old_one_retires(world: LogWorld) -> None:
    ed25519, old = world.log.verifier_keys()
    before = await published(world)
    key, promise = await rotate(world)
    note = await published(world)
    assert len(parse_note(before).signatures) == 2
    assert len(parse_note(note).signatures) == 3
    assert world.log.verifier_keys() == [ed25519, old, key.verifier]
    for trusted in ([old], [ed25519, old], [key.verifier], [ed25519, old, key.verifier]):
        open_checkpoint(note, trusted, require=Require.ALL)
    world.clock.advance(31 * 86_400)
    after = await published(world)
    assert len(parse_note(after).signatures) == 2
    open_checkpoint(after, [ed25519, key.verifier], require=Require.ALL)
    with pytest.raises(NotSigned):
        open_checkpoint(after, [old])
    open_checkpoint(before, [old])
    await world.log.step()
    types = [kind for kind in entry_types(await world.stored()) if kind.startswith("log.")]
    assert types == ["log.key_added", "log.key_retired"]
    assert json.loads(promise.entry)["details"]["vkey"] == str(key.verifier)


async def test_the_old_key_vouches_for_the_new_one(world: LogWorld) -> None:
    old = world.log.verifier_keys()
    _, promise = await rotate(world)
    await published(world)
    proof = await world.log.inclusion_proof(promise.event_key)
    verify_proof(proof.tlog_proof or b"", promise.entry, old, require=Require.ALL)
    details = json.loads(promise.entry)["details"]
    assert parse_vkey(details["vkey"]) == world.log.verifier_keys()[-1]
    assert parse_vkey(details["replaces"]) == old[-1]


async def test_public_files_tell_the_new_key_before_it_signs(world: LogWorld) -> None:
    await rotate(world)
    await published(world)
    told = world.audited.contents["verifier-keys"].decode().splitlines()
    assert [parse_vkey(line) for line in told] == world.log.verifier_keys()
    assert all(line in world.audited.contents["policy"].decode() for line in told)


async def test_a_running_replica_notices_without_a_restart(world: LogWorld) -> None:
    replica = world.on_same_data(world.files)
    await replica.prepare()
    await rotate(world)
    await world.act()
    await replica.step()
    assert len(parse_note((await replica.checkpoint()).note).signatures) == 3
    assert len(replica.verifier_keys()) == 3


async def test_a_restart_in_any_state_accepts_what_is_published(world: LogWorld) -> None:
    await published(world)
    await rotate(world)
    await world.reopen()
    await world.log.prepare()  # published by the first key alone
    await published(world)
    world.clock.advance(31 * 86_400)
    await world.reopen()
    await world.log.prepare()  # published by both
    await published(world)
    await published(world)
    await world.reopen()
    await world.log.prepare()
    assert len(world.log.verifier_keys()) == 2


async def test_a_clock_that_is_set_ahead_retires_nobody(world: LogWorld) -> None:
    await rotate(world)
    world.clock.jump(400 * 86_400)
    assert len(parse_note(await published(world)).signatures) == 3


async def test_the_same_request_is_one_rotation(world: LogWorld) -> None:
    first = await rotate(world)
    assert await rotate(world) == first
    with pytest.raises(AlreadyExists):
        await life_of(world).rotate(request=request(body=b"x"), overlap=None, now=world.clock.now())
    assert [key.number for key in await life_of(world).list()] == [1, 1, 2]


async def test_the_same_request_twice_at_once_is_one_rotation(world: LogWorld) -> None:
    first, second = await asyncio.gather(rotate(world), rotate(world))
    assert first == second
    await published(world)
    assert [key.number for key in await life_of(world).list()] == [1, 1, 2]


async def test_one_rotation_at_a_time(world: LogWorld) -> None:
    await rotate(world)
    with pytest.raises(FailedPrecondition, match="key 1 of the log has not retired yet"):
        await rotate(world, OTHER)
    world.clock.advance(31 * 86_400)
    await published(world)
    key, _ = await rotate(world, OTHER, timedelta(hours=1))
    assert key.number == 3
    await published(world)
    world.clock.advance(7200)
    await published(world)
    assert [key.retire_event is None for key in await life_of(world).list()] == [True, False, False, True]


@pytest.mark.parametrize("seconds", [-1, 1, 3599, 10**9])
async def test_an_overlap_has_bounds(world: LogWorld, seconds: int) -> None:
    with pytest.raises(InvalidArgument, match="overlap_seconds"):
        await rotate(world, overlap=timedelta(seconds=seconds))


async def test_without_the_hsm_nothing_changes(world: LogWorld) -> None:
    world.provider.fail_next(Operation.GENERATE, TokenUnavailable("gone"))
    with pytest.raises(Unavailable, match="the new key of the log can not be made: gone"):
        await rotate(world)
    assert len(parse_note(await published(world)).signatures) == 2


async def test_a_rotation_that_can_not_be_stored_leaves_no_key_in_the_token(world: LogWorld) -> None:
    world.provider._native = world.provider._signer._native = True
    held = len(world.provider._token._keys)
    life = life_of(world)

    class Full(type(world.log)):
        def record(self, tx, entry):
            raise OSError("disk full")

    world.log.__class__ = Full
    with pytest.raises(OSError, match="disk full"):
        await life.rotate(request=request(), overlap=None, now=world.clock.now())
    assert len(world.provider._token._keys) == held
