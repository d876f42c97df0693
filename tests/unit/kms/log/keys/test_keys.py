import asyncio

from hallmark_tlog.vkey import parse_vkey
from kms.log.keys.keys import (
    ensure_keys,
    find_keys,
    format_verifier_keys,
    kept_keys,
    keys_of_every_log,
    replace_sealed_key,
)
from support.clock import START
from support.log_world import ORIGIN, LogWorld


async def test_keys_are_made_once(world: LogWorld) -> None:
    keys = await ensure_keys(world.database, world.provider, origin=ORIGIN, now=START)
    await world.reopen()
    assert await ensure_keys(world.database, world.provider, origin=ORIGIN, now=START) == keys
    assert [key.algorithm for key in keys.signing] == ["ed25519", "ml-dsa-44"]


async def test_replicas_that_start_at_once_share_one_pair(bare_world: LogWorld) -> None:
    await asyncio.gather(*(bare_world.on_same_data(bare_world.files).prepare() for _ in range(5)))
    keys = await ensure_keys(bare_world.database, bare_world.provider, origin=ORIGIN, now=START)
    assert len(bare_world.provider._token._keys) == 1, "the pairs that came too late left nothing in the token"
    assert await bare_world.provider.sign_ed25519(keys.every[0].material, message=b"x")


async def test_every_origin_has_keys_of_its_own(world: LogWorld) -> None:
    first = await ensure_keys(world.database, world.provider, origin=ORIGIN, now=START)
    second = await ensure_keys(world.database, world.provider, origin="log.example/next", now=START)
    assert [key.number for key in second.every] == [2, 2]
    assert await world.read(lambda tx: find_keys(tx, ORIGIN)) == first
    assert {key.origin for key in await world.read(keys_of_every_log)} == {ORIGIN, "log.example/next"}
    assert await world.read(lambda tx: find_keys(tx, "log.example/never")) is None


async def test_jobs_find_every_key_with_its_binding_and_seal_it_anew(world: LogWorld) -> None:
    await ensure_keys(world.database, world.provider, origin="log.example/next", now=START)
    kept = await world.read(kept_keys)
    assert len(kept) == 4
    await world.provider.create_kek()
    sealed = [(material, binding) for material, binding in kept if binding]
    for material, binding in sealed:
        moved = await world.provider.rewrap(material, key_binding=binding)
        assert await world.database.write(lambda tx, old=material, new=moved: replace_sealed_key(tx, old=old, new=new))
        assert not await world.database.write(
            lambda tx, old=material, new=moved: replace_sealed_key(tx, old=old, new=new)
        )
    await world.act()
    await world.log.step()
    assert world.audited.shown[-1].size == 1


async def test_the_public_file_has_one_vkey_a_line(world: LogWorld) -> None:
    keys = await ensure_keys(world.database, world.provider, origin=ORIGIN, now=START)
    lines = format_verifier_keys(keys.verifiers).decode().split("\n")
    assert [parse_vkey(line) for line in lines[:-1]] == list(keys.verifiers)
    assert lines[-1] == ""
