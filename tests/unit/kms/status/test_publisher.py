"""Snapshots: when they are made, that they verify, what a restart or another replica finds."""

import asyncio
import json
from datetime import timedelta

import pytest
import sqlalchemy as sa

from hallmark_events.errors import Stale
from hallmark_events.snapshot import verify_manifest
from hallmark_events.status_list import StatusReference, parse_aggregation
from hallmark_events.types import StatusValue
from kms.core.database import metadata
from kms.events.model import Status
from kms.status import lists, store
from kms.status.model import DELTAS_KEPT
from unit.kms.status.bench import BASE, PACE, REMOVAL, TENANT, StatusBench


async def test_what_is_taken_back_is_in_the_files_within_seconds(bench: StatusBench) -> None:
    device = await bench.subject()
    await bench.service.revoke_keys("manifest")
    assert await bench.schedule.step() == 1
    reader = bench.reader()
    first = reader.update(bench).manifest
    assert first.number == 1
    assert reader.snapshot.state.status_of(f"tenants/{TENANT}/keys/manifest") is StatusValue.INVALID
    assert await bench.status(reader, device) is Status.VALID
    assert first.leases_until == {REMOVAL: first.issued_at + timedelta(seconds=REMOVAL) - PACE.lifetime}

    await bench.set(device, Status.INVALID)
    assert await bench.passes(1) == 1
    second = reader.update(bench).manifest
    assert (second.number, await bench.status(reader, device)) == (2, Status.INVALID)
    assert second.previous == first_sha(bench, second.previous)
    assert not any(path == second.state.path for path in reader.asked), "a delta leads there"


def first_sha(bench: StatusBench, digest: str) -> str:
    """The manifest before stands under its own SHA-256."""
    assert (bench.public / "status" / TENANT / "sets" / digest).is_file()
    return digest


async def test_a_reference_is_looked_up_by_its_uri(bench: StatusBench) -> None:
    device = await bench.subject()
    await bench.set(device, Status.SUSPENDED)
    await bench.schedule.step()
    reader = bench.reader()
    reader.update(bench)
    place = await bench.service.database.read(lambda tx: lists.reference(tx, device))
    assert place is not None
    uri = await bench.publisher.place.uri(TENANT, place)
    assert uri == f"{BASE}/status/{TENANT}/lists/0.jwt"
    assert reader.snapshot.status_of(StatusReference(place.idx, uri)) is StatusValue.SUSPENDED


async def test_what_is_not_urgent_waits_for_the_interval(bench: StatusBench) -> None:
    device = await bench.subject()
    await bench.set(device, Status.SUSPENDED)
    assert await bench.schedule.step() == 1
    await bench.set(device, Status.VALID)
    assert await bench.passes(30) == 0
    assert await bench.passes(30) == 1
    assert await bench.passes(1) == 0


async def test_it_is_made_again_before_it_is_over(bench: StatusBench) -> None:
    await bench.subject()
    await bench.schedule.step()
    reader = bench.reader()
    first = reader.update(bench).manifest
    assert await bench.passes(599) == 0
    assert await bench.passes(1) == 1
    second = reader.update(bench).manifest
    assert (second.number, second.state, second.lists) == (2, first.state, first.lists)
    assert second.not_after > first.not_after
    bench.service.clock.advance(900)
    with pytest.raises(Stale):
        reader.manifest(bench)


async def test_a_clock_that_was_set_back_does_not_stop_it(bench: StatusBench) -> None:
    await bench.subject()
    await bench.schedule.step()
    assert await bench.passes(-86_400) == 1


async def test_two_replicas_make_one_history(bench: StatusBench) -> None:
    await bench.subject()
    other = bench.another()
    await asyncio.gather(bench.schedule.step(), other.step())
    numbers = await bench.service.database.read(lambda tx: [each.number for each in store.kept(tx, TENANT)])
    assert numbers == [1]
    assert bench.reader().update(bench).manifest.number == 1
    await bench.set(await bench.subject(), Status.INVALID)
    bench.service.clock.advance(60)
    made = await asyncio.gather(bench.publisher.make(TENANT, bench.service.clock.now()), other.step())
    assert [each is not None for each in made].count(True) >= 1
    await other.step()
    assert bench.reader().update(bench).manifest.number == 2


async def test_a_manifest_is_never_shown_without_its_proof(bench: StatusBench) -> None:
    device = await bench.subject()
    await bench.schedule.step()
    bench.publisher.satisfies = lambda _promise: False
    await bench.set(device, Status.INVALID)
    assert await bench.passes(60) == 0
    assert bench.reader().update(bench).manifest.number == 1
    bench.publisher.satisfies = lambda _promise: True
    assert await bench.schedule.step() == 1
    assert bench.reader().update(bench).manifest.number == 2


async def test_the_address_stays_what_it_was_at_first(bench: StatusBench) -> None:
    await bench.subject()
    await bench.schedule.step()
    restarted = bench.another()
    restarted.publisher.place.configured = None
    assert await restarted.publisher.place.base() == BASE
    restarted.publisher.place.configured, restarted.publisher.place._known = "https://new.example/", None
    assert await restarted.publisher.place.base() == "https://new.example"


async def test_an_older_backup_begins_another_history(bench: StatusBench) -> None:
    await bench.service.revoke_keys("manifest")
    await bench.schedule.step()
    bench.service.clock.advance(60)
    reader = bench.reader()
    before = reader.update(bench).manifest
    snapshots = metadata.tables["status_snapshot"]
    await bench.service.database.write(lambda tx: tx.execute(snapshots.delete()))
    await bench.service.forget_newest_event()
    restored = bench.another()
    assert await restored.step() == 1
    after = reader.update(bench).manifest
    assert (after.epoch, after.number) > (before.epoch, before.number)
    assert after.epoch != before.epoch
    query = sa.select(metadata.tables["tlog_entry"].c.data)
    entries = await bench.service.database.read(lambda tx: [json.loads(data) for data in tx.execute(query).scalars()])
    (said,) = [entry["details"] for entry in entries if entry["type"] == "feeds.restarted"]
    assert said == {"epoch": after.epoch.hex(), "reason": "status-files-newer"}
    assert reader.snapshot.state.status_of(f"tenants/{TENANT}/keys/manifest") is StatusValue.INVALID, "for ever"
    assert after.previous == "", "the database of the backup knows none before"


async def test_files_that_nobody_needs_go_after_a_while(bench: StatusBench) -> None:
    device = await bench.subject()
    sets = bench.public / "status" / TENANT / "sets"
    for _ in range(DELTAS_KEPT + 3):
        await bench.set(device, Status.SUSPENDED)
        await bench.passes(60)
        await bench.set(device, Status.VALID)
        await bench.passes(60)
    many = len(list(sets.iterdir()))
    for _ in range(4):
        await bench.passes(600)
    reader = bench.reader()
    reader.update(bench)
    assert len(list(sets.iterdir())) < many
    assert await bench.status(reader, device) is Status.VALID
    kept = await bench.service.database.read(lambda tx: store.kept(tx, TENANT))
    assert len(kept) == DELTAS_KEPT + 1


async def test_all_lists_are_named_in_one_file(bench: StatusBench) -> None:
    await bench.subject()
    await bench.schedule.step()
    folder = bench.public / "status" / TENANT
    named = parse_aggregation(json.loads((folder / "lists.json").read_bytes()))
    assert named == (f"{BASE}/status/{TENANT}/lists/0.jwt",)


async def test_the_three_files_beside_each_other_belong_together(bench: StatusBench) -> None:
    await bench.subject()
    await bench.schedule.step()
    reader = bench.reader()
    data, signature, proof = (reader.read(f"manifest.{name}") for name in ("json", "sig", "tlog-proof"))
    now = bench.service.clock.now()
    verified = verify_manifest(data, signature, proof, reader.verifier, tenant=TENANT, seen=None, now=now)
    assert verified.seen == reader.manifest(bench).seen
