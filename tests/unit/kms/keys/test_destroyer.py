"""What is destroyed, when, and what stays."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from hallmark_composite import verify
from hsm.errors import KeyNotFound, TokenUnavailable
from hsm.material import CompositeKeyMaterial
from hsm.testing import Operation
from kms.core.errors import FailedPrecondition, Reason
from kms.core.names import KeyVersionName
from kms.keys import due
from kms.keys.lifecycle import Action
from kms.keys.model import KeyPurpose, key_binding
from kms.keys.model import KeyVersionState as S
from support.trust_world import TrustWorld, trust_world

DAY = 86_400
FIRST = KeyVersionName("default", "manifest", 1)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[TrustWorld]:
    async with trust_world(tmp_path) as world:
        yield world


async def schedule(world: TrustWorld) -> None:
    await world.act(1, Action.DEACTIVATE)
    await world.act(1, Action.SCHEDULE_DESTROY)


async def column(world: TrustWorld, name: str) -> object:
    query = sa.text(f"SELECT {name} FROM key_version WHERE tenant = 'default' AND key_id = 'manifest' AND number = 1")
    return await world.base.world.read(lambda tx: tx.execute(query).scalar())


async def test_the_private_halves_are_gone_and_the_public_key_stays(world: TrustWorld) -> None:
    signature = (await world.base.sign(b"m")).signature
    material = (await world.key()).versions[0].material
    assert isinstance(material, CompositeKeyMaterial)
    await schedule(world)
    world.advance(30 * DAY - 1)
    assert await world.replica.destroyer.run_due(world.now) == 0
    world.advance(1)
    assert await world.replica.destroyer.run_due(world.now) == 1
    version = (await world.key()).versions[0]
    assert (version.state, version.material, version.destroy_time) == (S.DESTROYED, None, world.now)
    assert await column(world, "material") is None
    verify(version.public_key, signature, message=b"m")
    with pytest.raises(KeyNotFound):
        await world.base.world.provider.sign_composite(
            material, digest=bytes(64), context=b"", key_binding=key_binding(FIRST, KeyPurpose.SIGN)
        )
    assert (await world.event_types()).count("key-version.destroyed") == 1
    assert await world.replica.destroyer.run_due(world.now) == 0


async def test_no_sealed_byte_is_left_in_the_files_of_the_database(world: TrustWorld) -> None:
    material = (await world.key()).versions[0].material
    assert isinstance(material, CompositeKeyMaterial)
    sealed = material.post_quantum.ciphertext
    await schedule(world)
    world.advance(31 * DAY)
    folder = world.base.world.folder
    assert any(sealed in path.read_bytes() for path in folder.glob("log.db*"))
    await world.replica.destroyer.run_due(world.now)
    assert [path.name for path in folder.glob("log.db*") if sealed in path.read_bytes()] == []


async def test_several_replicas_destroy_once(world: TrustWorld) -> None:
    await schedule(world)
    world.advance(31 * DAY)
    counts = await asyncio.gather(*(world.another(seed).destroyer.run_due(world.now) for seed in range(20, 25)))
    assert sum(counts) == 1
    assert (await world.event_types()).count("key-version.destroyed") == 1


async def test_once_it_has_begun_there_is_no_way_back(world: TrustWorld) -> None:
    await schedule(world)
    world.advance(31 * DAY)
    world.base.world.provider.fail_next(Operation.DESTROY, TokenUnavailable("gone"))
    assert await world.replica.destroyer.run_due(world.now) == 0
    key = await world.key()
    assert (key.versions[0].state, key.versions[0].destroying) == (S.DESTROY_SCHEDULED, True)
    with pytest.raises(FailedPrecondition) as refused:
        await world.act(1, Action.RESTORE)
    assert refused.value.reason is Reason.STATE_TRANSITION_INVALID
    assert await world.replica.destroyer.run_due(world.now) == 0, "the claim is fresh"
    world.advance(due.CLAIM_LIFETIME.total_seconds())
    assert await world.another(9).destroyer.run_due(world.now) == 1


async def test_a_restore_that_commits_before_the_claim_wins(world: TrustWorld) -> None:
    await schedule(world)
    key = await world.key()
    await world.act(1, Action.RESTORE)
    world.advance(31 * DAY)
    database = world.base.world.database
    assert not await database.write(lambda tx: due.claim_destruction(tx, key, 1, world.now)), "it read the key before"
    assert await world.replica.destroyer.run_due(world.now) == 0
    assert (await world.key()).versions[0].state is S.DEACTIVATED


async def test_a_version_that_never_signed_is_destroyed_too(world: TrustWorld) -> None:
    from datetime import timedelta

    await world.base.rotate(lead=timedelta(hours=1))
    await world.act(2, Action.SCHEDULE_DESTROY)
    world.advance(31 * DAY)
    await world.replica.scheduler.step()
    assert [version.state for version in (await world.key()).versions] == [S.DESTROYED, S.ACTIVE]
