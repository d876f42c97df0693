"""Rows of the first release, which had fewer columns, are read as they were meant."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from kms.core.names import KeyName
from kms.keys.key_update import KeyUpdate
from kms.keys.lifecycle import Action
from kms.keys.model import KeyVersionState as S
from kms.keys.policies import KeySettings, RotationPolicy
from support.trust_world import NAME, TrustWorld, trust_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[TrustWorld]:
    async with trust_world(tmp_path) as world:

        def age(tx: sa.Connection) -> None:
            tx.execute(sa.text("UPDATE key SET publish_lead = NULL, destroy_wait = NULL"))
            tx.execute(sa.text("UPDATE key_version SET public_key = NULL, activate_time = NULL"))

        await world.base.world.database.write(age)
        yield world


async def test_they_have_the_default_settings_and_their_public_key(world: TrustWorld) -> None:
    key = await world.base.keys.get(KeyName("default", "manifest"))
    assert key.settings == KeySettings()
    (version,) = key.versions
    assert version.material is not None
    assert version.public_bytes == version.material.public_key
    assert (await world.base.sign(b"m")).key_version == str(version.name)


async def test_they_rotate_by_their_age_and_are_destroyed_with_their_public_key_kept(world: TrustWorld) -> None:
    update = KeyUpdate(rotation=RotationPolicy(period=timedelta(days=2)))
    request = world.base.request()
    key, _, _ = await world.replica.keys.update(NAME, update, etag="", request=request, now=world.now, published=False)
    assert key.next_rotation_time == key.create_time + timedelta(days=2)
    public_bytes = key.versions[0].public_bytes
    world.advance(2 * 86_400)
    await world.replica.scheduler.step()
    await world.act(1, Action.SCHEDULE_DESTROY)
    world.advance(31 * 86_400)
    await world.replica.scheduler.step()
    gone = (await world.key()).version(1)
    assert gone is not None
    assert (gone.state, gone.public_bytes) == (S.DESTROYED, public_bytes)
    assert (await world.replica.maker.current("default", world.now)).sequence > 1
