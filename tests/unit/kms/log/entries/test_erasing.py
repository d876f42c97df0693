import sqlite3
import uuid
from pathlib import Path

import pytest

from hallmark_tlog.entry import parse_entry, verify_opening
from kms.core.errors import AlreadyExists, FailedPrecondition, NotFound, Reason
from kms.core.idempotency import RequestKey
from kms.log.entries import openings_store
from kms.log.entries.erasing import CommitmentService, EraseTarget, Erasure
from support.log_entries import EntriesWorld, call
from support.log_world import LogWorld

FACTS = {"name": "Ada Lovelace", "city": "London"}


@pytest.fixture
def entries(world: LogWorld) -> EntriesWorld:
    return EntriesWorld(world)


@pytest.fixture
def service(entries: EntriesWorld) -> CommitmentService:
    return entries.services().commitments


async def erase(
    service: CommitmentService, target: EraseTarget, *, request_id: str = "", reason: str = "", tenant: str = "default"
) -> Erasure:
    caller = call(tenant)
    request = RequestKey.of(caller.caller, request_id or str(uuid.uuid4()), caller.method, target.event_key.encode())
    erasure, _ = await service.erase(tenant, target, reason=reason, request=request, now=caller.now)
    return erasure


async def test_commitments_are_opened(entries: EntriesWorld, service: CommitmentService) -> None:
    key = await entries.append(personal=FACTS)
    opened = await service.open("default", key)
    entry = parse_entry(opened.entry.data)
    assert b"Ada" not in opened.entry.data
    assert {one.name: one.commitment for one in opened.openings} == entry.commitments
    for one in opened.openings:
        assert verify_opening(entry, one.name, FACTS[one.name], one.salt)


async def test_an_entry_without_commitments_opens_to_nothing(entries: EntriesWorld, service: CommitmentService) -> None:
    assert (await service.open("default", await entries.append())).openings == ()


async def test_who_may_not_see_an_entry_hears_what_who_asks_for_nothing_hears(
    entries: EntriesWorld, service: CommitmentService
) -> None:
    key = await entries.append(personal=FACTS, tenant="other")
    for tenant, wanted in (("default", key), ("default", "nothing")):
        with pytest.raises(NotFound) as refused:
            await service.open(tenant, wanted)
        assert refused.value.reason is Reason.LOG_ENTRY_NOT_FOUND
        with pytest.raises(NotFound):
            await erase(service, EraseTarget(event_key=wanted), tenant=tenant)
    assert len((await service.open("other", key)).openings) == 2


async def test_what_was_erased_opens_no_more(entries: EntriesWorld, service: CommitmentService) -> None:
    key, other = await entries.append(personal=FACTS), await entries.append(personal=FACTS)
    erasure = await erase(service, EraseTarget(event_key=key))
    assert erasure.erased_entries == 1
    with pytest.raises(FailedPrecondition) as refused:
        await service.open("default", key)
    assert refused.value.reason is Reason.COMMITMENT_ERASED
    assert len((await service.open("default", other)).openings) == 2
    entry = parse_entry(erasure.promise.entry)
    assert (entry.event_type, entry.subject) == ("log.commitments_erased", "tenants/default")
    assert (entry.details, entry.commitments) == ({"erased_entries": 1, "of": key}, {})


async def test_everything_about_a_person_is_erased(
    world: LogWorld, entries: EntriesWorld, service: CommitmentService
) -> None:
    keys = [await entries.append(personal=FACTS, person="ada-7") for _ in range(3)]
    kept = [
        await entries.append(personal=FACTS, person="eve"),
        await entries.append(personal=FACTS),
    ]
    theirs = await entries.append(personal=FACTS, person="ada-7", tenant="other")
    waiting = await entries.append(personal=FACTS, person="ada-7", publish=False)
    erasure = await erase(service, EraseTarget(person="ada-7"), reason="her request")
    assert erasure.erased_entries == 4, "also what is not published yet"
    await world.log.step()
    for key in (*keys, waiting):
        with pytest.raises(FailedPrecondition):
            await service.open("default", key)
    for key in kept:
        assert (await service.open("default", key)).openings
    assert (await service.open("other", theirs)).openings
    assert b"ada-7" not in erasure.promise.entry
    assert b"request" not in erasure.promise.entry
    opened = await service.open("default", erasure.promise.event_key)
    salts = {one.name: one.salt for one in opened.openings}
    entry = parse_entry(erasure.promise.entry)
    assert verify_opening(entry, "person", "ada-7", salts["person"])
    assert verify_opening(entry, "reason", "her request", salts["reason"])


async def test_it_is_done_once_for_each_request(
    world: LogWorld, entries: EntriesWorld, service: CommitmentService
) -> None:
    await entries.append(personal=FACTS, person="ada")
    request_id = str(uuid.uuid4())
    first = await erase(service, EraseTarget(person="ada"), request_id=request_id)
    await entries.append(personal=FACTS, person="ada")
    assert await erase(service, EraseTarget(person="ada"), request_id=request_id) == first
    await world.log.step()
    types = [parse_entry(entry.data).event_type for entry in await world.stored()]
    assert types.count("log.commitments_erased") == 1
    for other in (EraseTarget(person="eve"), EraseTarget(event_key="k")):
        with pytest.raises(AlreadyExists) as refused:
            await erase(service, other, request_id=request_id)
        assert refused.value.reason is Reason.REQUEST_ID_REUSED
    assert (await erase(service, EraseTarget(person="ada"))).erased_entries == 1, "another request finds the rest"


async def test_erasing_nothing_is_told_as_well(entries: EntriesWorld, service: CommitmentService) -> None:
    key = await entries.append()
    assert (await erase(service, EraseTarget(event_key=key))).erased_entries == 0
    assert (await erase(service, EraseTarget(person="nobody"))).erased_entries == 0


async def test_no_file_of_the_database_holds_an_erased_salt(
    world: LogWorld, entries: EntriesWorld, service: CommitmentService
) -> None:
    keys = [await entries.append(personal=FACTS, person="ada-lovelace-7") for _ in range(40)]
    await entries.append(personal=FACTS, person="eve")
    found = await world.read(lambda tx: openings_store.find_salts(tx, "default", keys))
    salts = [salt for names in found.values() for salt in names.values()]
    before = _bytes_on_disk(world.folder)
    assert all(salt in before for salt in salts), "they are there to be erased"
    await erase(service, EraseTarget(person="ada-lovelace-7"))
    after = _bytes_on_disk(world.folder)
    assert not [salt for salt in salts if salt in after]
    assert b"ada-lovelace-7" not in after
    with sqlite3.connect(world.path) as connection:
        assert connection.execute("SELECT count(*) FROM tlog_opening").fetchone() == (3,)  # Eve's two, the handle's


def _bytes_on_disk(folder: Path) -> bytes:
    """Of the database file, its write-ahead log and whatever else lies there."""
    return b"\0\0".join(path.read_bytes() for path in sorted(folder.glob("log.db*")))
