"""What the signer remembers of a key is out of date the moment somebody changes it."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from hsm.provider import SignRequest
from kms.core.errors import FailedPrecondition, NotFound, Reason, ResourceExhausted, Unavailable
from kms.core.names import KeyName, KeyVersionName
from kms.keys.formats import SignatureFormat
from kms.keys.inputs import SignInput
from kms.keys.key_update import KeyUpdate
from kms.keys.policies import KeySettings, UsageLimits
from kms.keys.signing import SigningService, item_of
from kms.keys.usage import UseRates
from support.keys_world import KeysWorld, keys_world

NAME = KeyName("default", "manifest")


@pytest.fixture
async def world(tmp_path: Path, world_url: str | None) -> AsyncIterator[KeysWorld]:
    async with keys_world(tmp_path, world_url) as world:
        yield world


async def _limit(world: KeysWorld, per_second: int | None) -> None:
    update = KeyUpdate(usage_limits=UsageLimits(per_second=per_second))
    now = world.world.clock.now()
    await world.keys.update(NAME, update, etag="", request=world.request(), now=now, published=False)


async def _signed(world: KeysWorld, attempts: int) -> int:
    """How many of so many calls, one after the other at one moment, get a signature."""
    count = 0
    for _ in range(attempts):
        with contextlib.suppress(ResourceExhausted):
            await world.sign(b"m")
            count += 1
    return count


async def test_a_limit_set_after_the_first_signature_holds_from_the_call_after_the_next(world: KeysWorld) -> None:
    await world.create()
    assert await _signed(world, 5) == 5
    await _limit(world, 2)
    assert await _signed(world, 10) == 3, "the one that learns of the change, and two in the same second"
    world.world.clock.advance(1)
    assert await _signed(world, 10) == 2


@pytest.mark.parametrize("raised", [50, None])
async def test_a_limit_that_was_raised_lets_through_again(world: KeysWorld, raised: int | None) -> None:
    await world.create(settings=KeySettings(usage_limits=UsageLimits(per_second=1)))
    assert await _signed(world, 5) == 1
    await _limit(world, raised)
    await _signed(world, 1)
    world.world.clock.advance(0.5)
    assert await _signed(world, 20) == 20


async def test_another_replica_learns_of_a_limit_with_its_next_signature(world: KeysWorld) -> None:
    await world.create()
    one, rates = world.world, UseRates(world.world.clock)
    other = KeysWorld(
        one, world.keys, SigningService(one.database, one.provider, world.signing.log, world.signing.randomness, rates)
    )
    assert await _signed(other, 5) == 5
    await _limit(world, 1)
    assert await _signed(other, 5) == 2


class _Rotating:
    """The world's token; the key is rotated while it signs, so often."""

    def __init__(self, world: KeysWorld, times: int) -> None:
        self._world, self.times = world, times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world.world.provider, name)

    async def sign_many(self, requests: Sequence[SignRequest]) -> Any:
        if self.times:
            self.times -= 1
            await self._world.rotate()
        return await self._world.world.provider.sign_many(requests)


async def test_rotations_in_quick_succession_do_not_fail_a_signature(world: KeysWorld) -> None:
    await world.create()
    await world.sign(b"warm")
    world.signing.provider = _Rotating(world, times=5)
    assert (await world.sign(b"m")).key_version == f"{NAME}/versions/6"


async def test_whose_every_round_meets_a_rotation_is_told_to_come_back(world: KeysWorld) -> None:
    await world.create()
    world.signing.provider = _Rotating(world, times=100)
    with pytest.raises(Unavailable) as refused:
        await world.sign(b"m")
    assert refused.value.retry_after_seconds
    world.signing.provider = world.world.provider
    assert await world.sign(b"m")


async def test_a_version_named_by_number_that_is_rotated_out_meanwhile_is_no_case_for_a_retry(world: KeysWorld) -> None:
    await world.create()
    world.signing.provider = _Rotating(world, times=1)
    with pytest.raises(FailedPrecondition) as refused:
        await world.sign(b"m", KeyVersionName("default", "manifest", 1))
    assert refused.value.reason is Reason.KEY_VERSION_NOT_ACTIVE


class _Interleaved:
    """The world's database; something else happens while the first read is under way."""

    def __init__(self, world: KeysWorld, meanwhile: Callable[[], Awaitable[object]]) -> None:
        self._database, self._meanwhile = world.world.database, meanwhile

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    async def read(self, work: Any) -> Any:
        meanwhile, self._meanwhile = self._meanwhile, self._nothing
        found = await self._database.read(work)
        await meanwhile()
        return found

    async def _nothing(self) -> None: ...


async def test_a_key_that_is_forgotten_while_another_is_looked_up_fails_nobody_in_the_group(world: KeysWorld) -> None:
    await world.create()
    await world.sign(b"warm")

    async def change_and_sign() -> None:
        now = world.world.clock.now()
        update = KeyUpdate(labels={"a": "b"})
        await world.keys.update(NAME, update, etag="", request=world.request(), now=now, published=False)
        await world.sign(b"its commit learns of the change")

    world.signing.database = _Interleaved(world, change_and_sign)
    group = [
        item_of(name, SignInput(data=b"m"), SignatureFormat.RAW, world.request())
        for name in (NAME, KeyName("default", "nobodys"))
    ]
    signed, missing = await world.signing.sign_many(group, now=world.world.clock.now(), published=False)
    assert not isinstance(signed, Exception)
    assert isinstance(missing, NotFound)
