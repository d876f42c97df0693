"""What rules may ask of keys: from memory, a second old at most, and without a word about what is not there."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kms.core.errors import Reason, Unavailable
from kms.core.names import AliasName, KeyName
from kms.core.resources import ResourceFacts, Sensitivity
from kms.keys.algorithms import HPKE_DEFAULT
from kms.keys.aliases import AliasService
from kms.keys.facts import REMEMBERED_SECONDS, STALE_SECONDS, KeyFacts, facts_of_name
from kms.keys.key_update import KeyUpdate
from kms.keys.model import KeyPurpose
from kms.keys.policies import KeySettings
from support.clock import FakeClock
from support.keys_world import KeysWorld, keys_world

MANIFEST = "tenants/default/keys/manifest"
HIGH = KeySettings(sensitivity=Sensitivity.HIGH)


class Reads:
    """A database that counts its reads, fails when told to, and may be made to wait."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.count = 0
        self.error: Exception | None = None
        self.before_answer: Any = None

    async def read(self, work: Any) -> Any:
        self.count += 1
        if self.error is not None:
            raise self.error
        answer = await self.inner.read(work)
        if self.before_answer is not None:
            await self.before_answer()
        return answer


class World:
    def __init__(self, keys: KeysWorld) -> None:
        self.keys = keys
        self.clock = FakeClock()
        self.reads = Reads(keys.world.database)
        self.facts = KeyFacts(self.reads, self.clock)  # type: ignore[arg-type]

    async def level(self, name: str = MANIFEST) -> Sensitivity:
        return (await self.facts.facts(name)).sensitivity

    async def raise_to(self, level: Sensitivity) -> None:
        await self.keys.keys.update(
            KeyName("default", "manifest"),
            KeyUpdate(sensitivity=level),
            etag="",
            request=self.keys.request(),
            now=self.keys.world.clock.now(),
            published=False,
        )


@pytest.fixture
async def world(tmp_path: Path, world_url: str | None) -> AsyncIterator[World]:
    async with keys_world(tmp_path, world_url) as keys:
        yield World(keys)


async def test_a_key_is_found_by_its_name_a_version_and_an_alias(world: World) -> None:
    await world.keys.create(settings=HIGH, labels={"team": "models"})
    request, now = world.keys.request(), world.keys.world.clock.now()
    name, key = AliasName("default", "current"), KeyName("default", "manifest")
    await AliasService(world.keys.keys).set(name, key, etag="", request=request, now=now, published=False)
    expected = ResourceFacts(
        MANIFEST,
        "default",
        "keys",
        Sensitivity.HIGH,
        purpose="SIGN",
        algorithm="MLDSA65_ECDSA_P256_SHA512",
        labels={"team": "models"},
    )
    for text in (MANIFEST, f"{MANIFEST}/versions/1", f"{MANIFEST}/versions/9", "tenants/default/aliases/current"):
        assert await world.facts.facts(text) == expected


async def test_purpose_and_algorithm_are_those_of_the_api(world: World) -> None:
    await world.keys.create("sealed", purpose=KeyPurpose.ENVELOPE, algorithm=HPKE_DEFAULT)
    found = await world.facts.facts("tenants/default/keys/sealed")
    assert (found.purpose, found.algorithm) == ("ENVELOPE", "HPKE_MLKEM768_X25519")


@pytest.mark.parametrize(
    ("name", "tenant", "kind"),
    [
        ("tenants/default", "default", "tenants"),
        ("tenants/default/keys/no-such", "default", "keys"),
        ("tenants/default/aliases/no-such", "default", "aliases"),
        ("tenants/default/keys/NOT-A-NAME", "default", "keys"),
        ("tenants/default/keys", "default", "keys"),
        ("tenants/default/keys/", "default", "keys"),
        ("tenants/default/devices/manifest", "default", "devices"),
        ("tenants/default/accessPolicies/1", "default", "accessPolicies"),
        ("tenants/Default/keys/manifest", "", ""),
        ("tenants//keys/manifest", "", ""),
        ("keys/manifest", "", ""),
        ("", "", ""),
        ("tenants/default/keys/" + "a" * 600, "", ""),
    ],
)
async def test_other_names_have_the_facts_they_give_themselves(world: World, name: str, tenant: str, kind: str) -> None:
    await world.keys.create(settings=HIGH)
    assert await world.facts.facts(name) == ResourceFacts(name, tenant, kind) == facts_of_name(name)


async def test_tenants_are_kept_apart(world: World) -> None:
    await world.keys.create(settings=HIGH)
    assert await world.level("tenants/other/keys/manifest") is Sensitivity.STANDARD


async def test_within_a_second_nobody_asks_the_database(world: World) -> None:
    await world.keys.create()
    for _ in range(100):
        await world.level()
        await world.level("tenants/default/keys/no-such")
    assert world.reads.count == 2
    world.clock.advance(REMEMBERED_SECONDS)
    await world.level()
    assert world.reads.count == 3


async def test_what_another_replica_changed_is_seen_after_a_second_and_our_own_at_once(world: World) -> None:
    await world.keys.create()
    assert await world.level() is Sensitivity.STANDARD
    await world.raise_to(Sensitivity.HIGH)
    assert await world.level() is Sensitivity.STANDARD
    world.clock.advance(REMEMBERED_SECONDS)
    assert await world.level() is Sensitivity.HIGH
    await world.raise_to(Sensitivity.MAXIMUM)
    world.facts.forget()
    assert await world.level() is Sensitivity.MAXIMUM


async def test_an_answer_that_is_older_than_a_change_is_asked_for_again(world: World) -> None:
    await world.keys.create()

    async def change() -> None:
        world.reads.before_answer = None
        await world.raise_to(Sensitivity.HIGH)
        world.facts.forget()

    world.reads.before_answer = change
    assert await world.level() is Sensitivity.HIGH


async def test_a_crowd_shares_its_reads(world: World) -> None:
    await world.keys.create(settings=HIGH)
    names = [f"tenants/default/keys/k{number}" for number in range(150)] + [MANIFEST]
    levels = await asyncio.gather(*(world.level(name) for name in names))
    assert levels[-1] is Sensitivity.HIGH
    assert world.reads.count <= 2


async def test_the_last_facts_hold_while_the_database_is_away_but_not_for_long(world: World) -> None:
    await world.keys.create(settings=HIGH)
    assert await world.level() is Sensitivity.HIGH
    world.reads.error = Unavailable(Reason.DATABASE_UNAVAILABLE, "away")
    world.clock.advance(STALE_SECONDS - 1)
    for _ in range(10):
        assert await world.level() is Sensitivity.HIGH
    assert world.reads.count == 2, "it is tried again once a second"
    with pytest.raises(Unavailable):
        await world.level("tenants/default/keys/never-seen")
    world.clock.advance(1)
    with pytest.raises(Unavailable):
        await world.level()
    world.reads.error = None
    assert await world.level() is Sensitivity.HIGH
