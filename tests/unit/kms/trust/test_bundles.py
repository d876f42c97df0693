"""Trust bundles: what is in them, when they are made, and what the public files show."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hallmark_composite import verify
from hsm.errors import TokenUnavailable
from hsm.testing import Operation
from kms.core.errors import InvalidArgument, Unavailable
from kms.core.names import AliasName, KeyName, KeyVersionName
from kms.keys.changes import mark_changed
from kms.keys.key_update import KeyUpdate
from kms.keys.lifecycle import Action
from kms.keys.policies import KeySettings, RotationPolicy
from kms.public.errors import PublicFilesUnavailable
from kms.trust import store
from kms.trust.model import BUNDLE_CONTEXT, TrustBundle
from support.public_files import FailingPublicFiles
from support.trust_world import NAME, TrustWorld, trust_world

DAY = 86_400


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[TrustWorld]:
    async with trust_world(tmp_path) as world:
        yield world


async def current(world: TrustWorld, tenant: str = "default") -> TrustBundle:
    return await world.replica.maker.current(tenant, world.now)


def content(bundle: TrustBundle) -> dict[str, Any]:
    return json.loads(bundle.payload)


def versions(bundle: TrustBundle, key: KeyName = NAME) -> list[str]:
    """Version names of a key in a bundle."""
    return [each["name"] for shown in content(bundle)["keys"] if shown["key"] == str(key) for each in shown["versions"]]


async def test_a_bundle_holds_the_tenants_keys_and_the_services_and_is_signed(world: TrustWorld) -> None:
    bundle = await current(world)
    names = [key["key"] for key in content(bundle)["keys"]]
    assert names == [
        "tenants/default/keys/manifest",
        "tenants/system/keys/revocation-events",
        "tenants/system/keys/trust-bundle",
    ]
    key = await world.base.keys.get(KeyName("system", "trust-bundle"))
    verify(
        key.versions[0].public_key,
        bundle.signature.signature,
        message=bundle.payload,
        context=BUNDLE_CONTEXT.encode(),
    )
    assert (await world.event_types()).count("trust-bundle.issued") == 1


async def test_every_change_makes_one_more_bundle_and_reading_makes_none(world: TrustWorld) -> None:
    changes = [
        lambda: world.base.create("another"),
        lambda: world.base.rotate(lead=timedelta(hours=1)),
        lambda: world.act(1, Action.SUSPEND),
        lambda: world.act(1, Action.RESUME),
        lambda: world.base.revoke(KeyVersionName("default", "manifest", 2)),
        lambda: world.replica.aliases.set(
            AliasName("default", "now"), NAME, etag="", request=world.base.request(), now=world.now, published=False
        ),
        lambda: world.replica.aliases.delete(
            AliasName("default", "now"), etag="", request=world.base.request(), now=world.now
        ),
        lambda: world.replica.keys.update(
            NAME, KeyUpdate(labels={}), etag="", request=world.base.request(), now=world.now, published=False
        ),
    ]
    assert (await current(world)).sequence == 1
    for number, change in enumerate(changes, 2):
        await change()
        assert (await current(world)).sequence == number
        assert (await current(world)).sequence == number
    await world.base.sign(b"m")
    assert (await current(world)).sequence == len(changes) + 1, "a signature is no change"


async def test_a_tenant_of_its_own_has_a_sequence_of_its_own(world: TrustWorld) -> None:
    await current(world)
    other = await current(world, "others")
    assert (other.sequence, other.public_path) == (1, "trust/others/bundle-1.json")
    assert [key["key"].split("/")[1] for key in content(other)["keys"]] == ["system", "system"]


async def test_a_change_of_the_services_own_keys_reaches_every_tenant(world: TrustWorld) -> None:
    await current(world)
    await world.base.keys.ensure_service_key("another", world.now)
    assert "tenants/system/keys/another" in [key["key"] for key in content(await current(world))["keys"]]


async def test_a_bundle_is_made_anew_each_day_so_that_it_does_not_expire(world: TrustWorld) -> None:
    first = await current(world)
    world.advance(DAY - 1)
    assert await current(world) == first
    world.advance(1)
    second = await current(world)
    assert second.sequence == 2
    assert datetime.fromisoformat(content(second)["not_after"]) == world.now + timedelta(days=7)


async def test_a_version_leaves_the_bundle_when_its_tail_is_over(world: TrustWorld) -> None:
    rotation = RotationPolicy(verify_tail=timedelta(hours=2))
    key = await world.base.create("short", settings=KeySettings(rotation=rotation))
    await world.base.rotate("short")
    assert len(versions(await current(world), key.name)) == 2
    world.advance(2 * 3600 - 1)
    assert len(versions(await current(world), key.name)) == 2
    world.advance(1)
    assert versions(await current(world), key.name) == [f"{key.name}/versions/2"]


async def test_a_version_that_was_destroyed_before_it_signed_leaves_no_trace(world: TrustWorld) -> None:
    await world.base.rotate(lead=timedelta(hours=1))
    await world.act(2, Action.SCHEDULE_DESTROY)
    world.advance(31 * DAY)
    await world.replica.destroyer.run_due(world.now)
    assert versions(await current(world)) == [f"{NAME}/versions/1"]


async def test_a_destroyed_version_that_signed_can_still_be_verified(world: TrustWorld) -> None:
    await world.act(1, Action.DEACTIVATE)
    await world.act(1, Action.SCHEDULE_DESTROY)
    world.advance(31 * DAY)
    await world.replica.destroyer.run_due(world.now)
    (shown,) = (key for key in content(await current(world))["keys"] if key["key"] == str(NAME))
    assert shown["versions"][0]["state"] == "DESTROYED"
    key = await world.key()
    assert base64.b64decode(shown["versions"][0]["spki"]) == key.versions[0].public_key.to_spki_der()


async def test_while_the_hsm_is_away_the_newest_bundle_is_given_out(world: TrustWorld) -> None:
    provider = world.base.world.provider
    provider.fail_next(Operation.SIGN, TokenUnavailable("gone"))
    with pytest.raises(Unavailable):
        await current(world)
    first = await current(world)
    await world.base.rotate()
    provider.fail_next(Operation.SIGN, TokenUnavailable("gone"))
    assert await current(world) == first
    assert (await current(world)).sequence == 2


async def test_of_many_makers_at_once_one_makes_each_bundle(world: TrustWorld) -> None:
    replicas = [world.replica, *(world.another(seed) for seed in range(30, 34))]
    for number in range(1, 5):
        bundles = await asyncio.gather(*(each.maker.current("default", world.now) for each in replicas))
        assert len({bundle.payload for bundle in bundles}) == 1
        assert bundles[0].sequence == number
        await world.base.rotate()


async def test_public_files_follow_and_never_go_back(world: TrustWorld) -> None:
    for _ in range(3):
        await current(world)
        await world.base.rotate()
    assert await world.replica.publisher.publish_due(world.now) == 3
    assert await world.replica.publisher.publish_due(world.now) == 0
    latest = json.loads(world.files.contents["trust/default/latest.json"])
    assert latest["sequence"] == 3
    assert world.files.contents["trust/default/bundle-3.json"] == world.files.contents["trust/default/latest.json"]
    assert {f"trust/default/bundle-{number}.json" for number in (1, 2, 3)} <= world.files.added


async def test_replicas_that_publish_at_once_leave_the_newest(world: TrustWorld) -> None:
    replicas = [world.replica, *(world.another(seed) for seed in range(30, 33))]
    for number in range(1, 8):
        await current(world)
        await asyncio.gather(*(each.publisher.publish_due(world.now) for each in replicas))
        assert json.loads(world.files.contents["trust/default/latest.json"])["sequence"] == number
        await world.base.rotate()


@pytest.mark.parametrize("stored_anyway", [False, True])
@pytest.mark.parametrize("fail_at", [0, 1])
async def test_a_public_file_that_could_not_be_written_is_written_later(
    world: TrustWorld, fail_at: int, stored_anyway: bool
) -> None:
    await current(world)
    failing = FailingPublicFiles(world.files)
    failing.fail_at, failing.stored_anyway = fail_at, stored_anyway
    replica = world.another(40, files=failing)
    assert await replica.publisher.publish_due(world.now) == 0
    assert await replica.publisher.publish_due(world.now) == 1
    assert json.loads(world.files.contents["trust/default/latest.json"])["sequence"] == 1


async def test_one_tenants_file_that_can_not_be_written_holds_nobody_else_up(world: TrustWorld) -> None:
    await current(world)
    await current(world, "others")
    original = world.files.add

    async def add(files: Any) -> None:
        if "default" in files[0].path:
            raise PublicFilesUnavailable(files[0].path, "no space left on device")
        await original(files)

    world.files.add = add  # type: ignore[method-assign]
    assert await world.replica.publisher.publish_due(world.now) == 1
    assert "trust/others/latest.json" in world.files.contents


async def test_a_restored_backup_never_reuses_a_number_that_was_published(world: TrustWorld) -> None:
    for _ in range(3):
        await current(world)
        await world.base.rotate()
    await world.replica.publisher.publish_due(world.now)

    def restore(tx: Any) -> None:
        tx.execute(store._bundle.delete().where(store._bundle.c.sequence > 1))

    await world.base.world.database.write(restore)
    assert (await current(world)).sequence == 4
    assert await world.replica.publisher.publish_due(world.now) == 1


async def test_old_bundles_leave_the_table_not_the_public_files(world: TrustWorld) -> None:
    for _ in range(store.KEPT + 3):
        await current(world)
        await world.replica.publisher.publish_due(world.now)
        await world.base.world.database.write(lambda tx: mark_changed(tx, "default"))
    kept = await world.base.world.read(lambda tx: tx.execute(store._bundle.select()).all())
    assert len(kept) == store.KEPT
    assert len([path for path in world.files.contents if "bundle-" in path]) == store.KEPT + 3


async def test_clients_are_counted_by_their_newest_acknowledgement(world: TrustWorld) -> None:
    trust, now = world.replica.trust, world.now
    await current(world)
    with pytest.raises(InvalidArgument):
        await trust.acknowledge("default", "spiffe://a", 2, now)
    for client in ("spiffe://a", "spiffe://b", "spiffe://c"):
        assert await trust.acknowledge("default", client, 1, now) == 1
    await world.base.rotate(lead=timedelta(hours=1))
    before = await trust.readiness_of(NAME, NAME.tenant, now)
    assert (before.bundle_sequence, before.clients_seen, before.clients_ready) == (2, 3, 0)
    await trust.acknowledge("default", "spiffe://b", 2, now)
    await trust.acknowledge("default", "spiffe://b", 1, now)
    after = await trust.readiness_of(NAME, NAME.tenant, now)
    assert (after.clients_ready, after.not_ready) == (1, ("spiffe://a", "spiffe://c"))
    assert after.next_version == f"{NAME}/versions/2"
    assert after.activate_time == now + timedelta(hours=1)


async def acknowledged(world: TrustWorld) -> None:
    """Two clients have the newest bundle."""
    bundle = await current(world)
    for client in ("spiffe://a", "spiffe://b"):
        await world.replica.trust.acknowledge("default", client, bundle.sequence, world.now)


@pytest.mark.parametrize("lead", [timedelta(0), timedelta(hours=1)])
async def test_nobody_is_ready_for_a_version_that_is_only_rehearsed(world: TrustWorld, lead: timedelta) -> None:
    await acknowledged(world)
    planned = await world.replica.rotation.rehearse(NAME, lead=lead, now=world.now)
    found = await world.replica.trust.readiness(planned, NAME.tenant, world.now)
    assert (found.next_version, found.bundle_sequence) == (f"{NAME}/versions/2", 0)
    assert found.activate_time == world.now + lead
    assert (found.clients_seen, found.clients_ready) == (2, 0)
    assert found.not_ready == ("spiffe://a", "spiffe://b")


async def test_rehearsing_to_take_the_version_that_waits_counts_who_has_it(world: TrustWorld) -> None:
    await acknowledged(world)
    await world.base.rotate(lead=timedelta(hours=1))
    newest = (await current(world)).sequence
    await world.replica.trust.acknowledge("default", "spiffe://b", newest, world.now)
    planned = await world.replica.rotation.rehearse(NAME, lead=timedelta(0), now=world.now)
    found = await world.replica.trust.readiness(planned, NAME.tenant, world.now)
    assert (found.next_version, found.bundle_sequence) == (f"{NAME}/versions/2", newest)
    assert (found.clients_ready, found.not_ready) == (1, ("spiffe://a",))


async def test_while_no_bundle_can_be_made_nobody_is_ready(world: TrustWorld) -> None:
    await acknowledged(world)
    await world.base.rotate(lead=timedelta(hours=1))
    world.base.world.provider.fail_next(Operation.SIGN, TokenUnavailable("gone"))
    found = await world.replica.trust.readiness_of(NAME, NAME.tenant, world.now)
    assert (found.bundle_sequence, found.clients_ready) == (0, 0)


async def test_a_key_of_which_no_version_waits_counts_who_has_the_newest_bundle(world: TrustWorld) -> None:
    await acknowledged(world)
    found = await world.replica.trust.readiness_of(NAME, NAME.tenant, world.now)
    assert (found.next_version, found.clients_ready) == ("", 2)


async def test_clients_that_were_not_seen_for_a_month_do_not_count(world: TrustWorld) -> None:
    trust = world.replica.trust
    await current(world)
    await trust.acknowledge("default", "spiffe://gone", 1, world.now)
    world.advance(31 * DAY)
    assert (await trust.readiness_of(NAME, NAME.tenant, world.now)).clients_seen == 0
    await world.replica.scheduler.step()
    rows = await world.base.world.read(lambda tx: tx.execute(store._acknowledgement.select()).all())
    assert not rows
