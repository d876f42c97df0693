"""Aliases below gRPC: races, and where they resolve to."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kms.core.errors import Aborted, InvalidArgument, NotFound, Reason
from kms.core.names import AliasName, KeyName, KeyVersionName
from kms.keys.inputs import SignInput
from kms.keys.model import Alias
from kms.keys.resolve import find_referenced, parse_reference
from support.trust_world import NAME, Replica, TrustWorld, trust_world

ALIAS = AliasName("default", "current")
OTHER = KeyName("default", "other")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[TrustWorld]:
    async with trust_world(tmp_path) as world:
        await world.base.create("other")
        yield world


async def point(world: TrustWorld, key: KeyName, *, etag: str = "", replica: Replica | None = None) -> Alias:
    service = (replica or world.replica).aliases
    request = world.base.request()
    alias, _, _ = await service.set(ALIAS, key, etag=etag, request=request, now=world.now, published=False)
    return alias


async def sign(world: TrustWorld, replica: Replica | None = None) -> str:
    """The version that signs for the alias."""
    signing = (replica or world.replica).signing
    answer, _, _ = await signing.sign(
        ALIAS, SignInput(data=b"m"), request=world.base.request(), now=world.now, published=False
    )
    return answer.key_version


async def test_a_repointed_alias_signs_with_the_other_key_at_once_in_every_replica(world: TrustWorld) -> None:
    replicas = [world.replica, world.another(3)]
    for key in (NAME, OTHER, NAME):
        await point(world, key, replica=replicas[0])
        for replica in replicas:
            assert await sign(world, replica) == f"{key}/versions/1"


async def test_of_two_that_point_it_with_the_same_etag_one_is_told(world: TrustWorld) -> None:
    first = await point(world, NAME)
    replicas = [world.replica, world.another(3)]
    outcomes = await asyncio.gather(
        *(point(world, OTHER, etag=first.etag, replica=replica) for replica in replicas), return_exceptions=True
    )
    (lost,) = (outcome for outcome in outcomes if isinstance(outcome, Aborted))
    assert lost.reason is Reason.ETAG_MISMATCH


async def test_a_deleted_alias_signs_nothing_in_any_replica(world: TrustWorld) -> None:
    replicas = [world.replica, world.another(3)]
    await point(world, NAME)
    for replica in replicas:
        await sign(world, replica)
    await world.replica.aliases.delete(ALIAS, etag="", request=world.base.request(), now=world.now)
    for replica in replicas:
        with pytest.raises(NotFound) as refused:
            await sign(world, replica)
        assert refused.value.reason is Reason.ALIAS_NOT_FOUND


async def test_references_resolve(world: TrustWorld) -> None:
    await point(world, OTHER)

    async def find(text: str) -> tuple[str, int | None]:
        reference = parse_reference(text)
        key, number = await world.base.world.read(lambda tx: find_referenced(tx, reference))
        return key.name.key, number

    assert await find("tenants/default/aliases/current") == ("other", None)
    assert await find("tenants/default/keys/manifest") == ("manifest", None)
    assert await find("tenants/default/keys/manifest/versions/1") == ("manifest", 1)
    for gone in ("tenants/default/aliases/none", "tenants/default/keys/none", f"{NAME}/versions/2"):
        with pytest.raises(NotFound):
            await find(gone)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "manifest",
        "tenants/default/aliases/",
        "tenants/default/aliases/UPPER",
        "tenants/default/aliases/a/versions/1",
    ],
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        parse_reference(text)
    assert refused.value.reason is Reason.NAME_INVALID


def test_references_keep_their_kind() -> None:
    assert parse_reference(str(ALIAS)) == ALIAS
    assert parse_reference(str(KeyVersionName("default", "k", 3))) == KeyVersionName("default", "k", 3)
