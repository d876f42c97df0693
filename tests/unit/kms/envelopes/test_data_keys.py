"""GenerateDataKey: fresh, sealed, and the same again for a retry without being stored."""

import asyncio
import uuid
from datetime import timedelta

import pytest

from kms.core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, Reason, ResourceExhausted
from kms.keys.lifecycle import Action
from kms.keys.policies import KeySettings, UsageLimits
from support.envelopes_world import KEY, VERSION, EnvelopesWorld


async def test_a_data_key_comes_clear_and_sealed(world: EnvelopesWorld) -> None:
    await world.create()
    first, second = await world.data_key(info=b"disk"), await world.data_key(info=b"disk")
    assert (len(first.plaintext), first.key_version) == (32, VERSION)
    assert first.plaintext != second.plaintext
    assert (await world.open(first.envelope, info=b"disk")).plaintext == first.plaintext
    with pytest.raises(InvalidArgument):
        await world.open(first.envelope, info=b"other")
    entries = await world.logged("data-key.generated")
    assert [entry["id"] for entry in entries] == [first.log.event_key, second.log.event_key]


async def test_a_retry_gets_the_same_key(world: EnvelopesWorld) -> None:
    await world.create()
    request_id = str(uuid.uuid4())
    first = await world.data_key(request_id=request_id)
    await world.keys.rotate("telemetry")
    assert await world.data_key(request_id=request_id) == first
    assert len(await world.logged("data-key.generated")) == 1
    with pytest.raises(AlreadyExists):
        await world.data_key(request_id=request_id, info=b"x")
    await world.shred()
    with pytest.raises(FailedPrecondition) as refused:
        await world.data_key(request_id=request_id)
    assert refused.value.reason is Reason.KEY_VERSION_NOT_ACTIVE


async def test_keys_are_sealed_to_the_current_epoch_only(world: EnvelopesWorld) -> None:
    await world.create()
    await world.keys.rotate("telemetry")
    assert (await world.data_key()).key_version == f"{KEY}/versions/2"
    assert (await world.data_key(name=f"{KEY}/versions/2")).key_version == f"{KEY}/versions/2"
    with pytest.raises(FailedPrecondition) as refused:
        await world.data_key(name=VERSION)
    assert refused.value.reason is Reason.KEY_VERSION_NOT_ACTIVE


async def test_an_epoch_that_ends_meanwhile_seals_nothing(world: EnvelopesWorld, monkeypatch) -> None:
    await world.create()
    database = world.keys.world.database
    real = database.write

    async def slow(work):
        monkeypatch.undo()
        await world.change(VERSION, Action.SUSPEND)
        return await real(work)

    monkeypatch.setattr(database, "write", slow)
    with pytest.raises(FailedPrecondition) as refused:
        await world.data_key()
    assert refused.value.reason is Reason.KEY_VERSION_NOT_ACTIVE
    assert not await world.logged("data-key.generated")


async def test_twins_get_one_key(world: EnvelopesWorld) -> None:
    await world.create()
    request_id = str(uuid.uuid4())
    first, second = await asyncio.gather(*(world.data_key(request_id=request_id) for _ in range(2)))
    assert first == second
    assert len(await world.logged("data-key.generated")) == 1


async def test_what_can_not_be_right(world: EnvelopesWorld) -> None:
    await world.create()
    with pytest.raises(InvalidArgument):
        await world.data_key(info=bytes(1025))
    with pytest.raises(NotFound):
        await world.data_key(name="tenants/default/keys/none")
    await world.keys.create("manifest")
    with pytest.raises(FailedPrecondition) as refused:
        await world.data_key(name="tenants/default/keys/manifest")
    assert refused.value.reason is Reason.PURPOSE_MISMATCH
    await world.keys.rotate("telemetry", lead=timedelta(hours=1))
    with pytest.raises(FailedPrecondition):
        await world.data_key(name=f"{KEY}/versions/2")


async def test_data_keys_are_uses_of_the_key_and_retries_are_not(world: EnvelopesWorld) -> None:
    await world.create(settings=KeySettings(usage_limits=UsageLimits(total=2)))
    request_id = str(uuid.uuid4())
    first = await world.data_key(request_id=request_id)
    await world.data_key(request_id=request_id)
    await world.open(first.envelope)
    with pytest.raises(FailedPrecondition) as refused:
        await world.data_key()
    assert refused.value.reason is Reason.USAGE_LIMIT_REACHED
    assert len(await world.logged("data-key.generated")) == 1


async def test_a_limit_per_second_holds_for_data_keys(world: EnvelopesWorld) -> None:
    await world.create(settings=KeySettings(usage_limits=UsageLimits(per_second=1)))
    await world.data_key()
    with pytest.raises(ResourceExhausted):
        await world.data_key()
