import pytest
import sqlalchemy as sa

from kms.log.entries import openings_store
from support.log_world import LogWorld

SALTS = {"a": bytes(32), "b": b"\x01" * 32}


async def _insert(world: LogWorld, key: str, *, tenant: str = "default", person: str | None = None) -> None:
    rows = openings_store.openings(key, SALTS, tenant=tenant, person=person)
    await world.database.write(lambda tx: openings_store.insert_many(tx, rows))


async def test_salts_are_found_by_tenant_and_entry(world: LogWorld) -> None:
    await _insert(world, "k1")
    await _insert(world, "k2", tenant="other")
    found = await world.read(lambda tx: openings_store.find_salts(tx, "default", ["k1", "k2", "k3"]))
    assert found == {"k1": SALTS}


async def test_one_entry_is_erased(world: LogWorld) -> None:
    await _insert(world, "k1")
    await _insert(world, "k2")
    write = world.database.write
    assert await write(lambda tx: openings_store.erase_entry(tx, "other", "k1")) == 0
    assert await write(lambda tx: openings_store.erase_entry(tx, "default", "k1")) == 1
    assert await write(lambda tx: openings_store.erase_entry(tx, "default", "k1")) == 0
    assert await world.read(lambda tx: openings_store.find_salts(tx, "default", ["k1", "k2"])) == {"k2": SALTS}


async def test_everything_about_a_person_is_erased(world: LogWorld) -> None:
    await _insert(world, "k1", person="ada")
    await _insert(world, "k2", person="ada")
    await _insert(world, "k3", person="eve")
    await _insert(world, "k4", tenant="other", person="ada")
    await _insert(world, "k5")
    assert await world.database.write(lambda tx: openings_store.erase_person(tx, "default", "ada")) == 2
    left = await world.read(lambda tx: openings_store.find_salts(tx, "default", ["k1", "k2", "k3", "k5"]))
    assert set(left) == {"k3", "k5"}
    assert await world.read(lambda tx: openings_store.find_salts(tx, "other", ["k4"])) == {"k4": SALTS}


async def test_an_entry_has_its_salts_once(world: LogWorld) -> None:
    await _insert(world, "k1")
    with pytest.raises(sa.exc.IntegrityError):
        await _insert(world, "k1")
