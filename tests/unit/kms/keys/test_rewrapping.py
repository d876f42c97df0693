"""A new key-encryption key for the whole database: all moves, a run that was cut short is finished, nothing is lost."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from hallmark_tlog.merkle import leaf_hash
from hsm.errors import TokenUnavailable
from hsm.testing.operation import Operation
from kms.core.names import KeyName, KeyVersionName
from kms.core.randomness import SystemRandomness
from kms.keys import store
from kms.keys.algorithms import algorithm_titled
from kms.keys.materials import materials_after, replace_material
from kms.keys.model import KeyPurpose
from kms.keys.rewrapping import RETIRED, REWRAPPED, Rewrapper, keks_in_use, sealed_under
from kms.log.keys.keys import kept_keys
from support.keys_world import KeysWorld, keys_world


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[KeysWorld]:
    async with keys_world(tmp_path) as made:
        yield made


def rewrapper(world: KeysWorld, batch: int = 3) -> Rewrapper:
    return Rewrapper(
        database=world.world.database,
        provider=world.world.provider,
        log=world.world.log,
        clock=world.world.clock,
        randomness=SystemRandomness(),
        batch=batch,
    )


async def events(world: KeysWorld, kind: str) -> list[dict]:
    entries = [json.loads(entry.data) for entry in await world.world.stored()]
    return [entry["details"] for entry in entries if entry["type"] == kind]


async def make_keys(world: KeysWorld, count: int = 4) -> None:
    for number in range(count):
        await world.create(f"key-{number}")
    await world.rotate("key-0")
    await world.create("plain", algorithm=algorithm_titled("ECDSA-P256-SHA256"))
    await world.create("sealed", algorithm=algorithm_titled("HPKE-MLKEM768-X25519"), purpose=KeyPurpose.ENVELOPE)


async def test_everything_moves_and_the_old_key_is_destroyed(world: KeysWorld) -> None:
    await make_keys(world)
    (old,) = await world.world.provider.list_keks()
    report = await rewrapper(world).run()
    assert (report.moved, report.failed, report.destroyed, report.kept) == (7, {}, [old.kek_id], [])
    (newest,) = await world.world.provider.list_keks()
    assert await world.world.read(keks_in_use) == {newest.kek_id}
    assert (await world.sign(b"after", KeyName("default", "key-0"))).signature
    assert (await world.sign(b"after", KeyName("default", "plain"))).signature


async def test_the_log_signs_on_with_its_moved_key(world: KeysWorld) -> None:
    before = [material.public_key for material, _ in await world.world.read(kept_keys)]
    await rewrapper(world).run()
    log = await world.world.reopen()
    await log.prepare()
    await world.world.act()
    await log.step()
    assert [material.public_key for material, _ in await world.world.read(kept_keys)] == before


async def test_batches_are_logged_with_counts_and_key_encryption_key_ids_only(world: KeysWorld) -> None:
    await make_keys(world)
    (old,) = await world.world.provider.list_keks()
    report = await rewrapper(world, batch=3).run()
    logged = await events(world, REWRAPPED)
    assert sum(details["count"] for details in logged) == report.moved
    assert len(logged) > 2, "one entry a batch"
    to = report.newest.kek_id.hex()
    assert all(details == {"count": details["count"], "from": [old.kek_id.hex()], "to": to} for details in logged)
    assert await events(world, RETIRED) == [{"retired": [old.kek_id.hex()], "newest": to}]
    leaves = {leaf_hash(entry.data) for entry in await world.world.stored()}
    assert len(leaves) == len(await world.world.stored())


@pytest.mark.parametrize("cut_after", range(11))
async def test_a_run_that_is_cut_short_is_finished_by_the_next(world: KeysWorld, cut_after: int) -> None:
    """Every HSM call in turn is the one at which the token goes away."""
    await make_keys(world)
    provider = world.world.provider
    calls = 0
    enter = provider._enter

    def fail_at_last(operation: Operation) -> None:
        nonlocal calls
        if operation is Operation.KEK:
            calls += 1
            if calls > cut_after:
                raise TokenUnavailable("gone")
        enter(operation)

    provider._enter = fail_at_last
    with pytest.raises(TokenUnavailable):
        await rewrapper(world, batch=2).run()
    provider._enter = enter
    await rewrapper(world, batch=2).run()
    keks = await provider.list_keks()
    assert len(keks) == 1
    assert await world.world.read(keks_in_use) == {keks[0].kek_id}
    assert (await world.sign(b"x", KeyName("default", "key-0"))).signature


async def test_an_old_key_that_something_needs_is_kept_and_named(world: KeysWorld) -> None:
    await make_keys(world, 2)
    name = KeyVersionName("default", "key-1", 1)
    key = await world.world.read(lambda tx: store.find_key(tx, name.key_name))
    assert key is not None
    material = key.versions[0].usable_material
    seal = material.post_quantum
    damaged = replace(material, post_quantum=replace(seal, ciphertext=bytes(len(seal.ciphertext))))
    await world.world.database.write(
        lambda tx: replace_material(tx, name, old=material.to_bytes(), new=damaged.to_bytes())
    )
    report = await rewrapper(world).run()
    assert set(report.failed) == {str(name)}
    assert report.failed[str(name)].startswith("SEAL_BROKEN")
    assert (report.destroyed, report.kept) == ([], [sealed_under(material)])
    rows = await world.world.read(lambda tx: materials_after(tx, None, 100))
    assert len(rows) == 5, "nothing was removed"
