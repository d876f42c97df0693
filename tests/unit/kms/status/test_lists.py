"""Which entry stands for whom: at random, once, and INVALID for ever."""

import asyncio
import uuid
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kms.core.database import Database, metadata
from kms.core.randomness import SystemRandomness
from kms.events.model import Status
from kms.status import lists
from support.database import fresh_database
from support.randomness import SeededRandomness

TENANT, OTHER = "default", "other"
ENTRIES = 64


def _name(tenant: str = TENANT) -> str:
    return f"tenants/{tenant}/devices/{uuid.uuid4()}"


@pytest.fixture
def randomness() -> SeededRandomness:
    return SeededRandomness(7)


async def test_a_subject_has_one_place(database: Database, randomness: SeededRandomness) -> None:
    subject = _name()
    first = await database.write(lambda tx: lists.allocate(tx, TENANT, subject, randomness))
    again = await database.write(lambda tx: lists.allocate(tx, TENANT, subject, randomness))
    assert first == again == await database.read(lambda tx: lists.reference(tx, subject))
    assert await database.read(lambda tx: lists.reference(tx, _name())) is None
    assert 0 <= first.idx < lists.ENTRIES == 2**20


async def test_places_are_unlike_each_other_and_in_no_order(database: Database, randomness: SeededRandomness) -> None:
    subjects = [_name() for _ in range(600)]
    found = await database.write(lambda tx: lists.allocate_many(tx, TENANT, subjects, randomness))
    places = [found[subject] for subject in subjects]
    assert len(set(places)) == 600
    assert {place.list for place in places} == {0}
    assert [place.idx for place in places] != sorted(place.idx for place in places)
    assert max(place.idx for place in places) > lists.ENTRIES // 2


async def test_a_list_is_left_when_three_quarters_are_taken(database: Database, randomness: SeededRandomness) -> None:
    for _ in range(ENTRIES):
        await database.write(lambda tx: lists.allocate(tx, TENANT, _name(), randomness, entries=ENTRIES))
    table = metadata.tables["status_index"]
    rows = await database.read(lambda tx: tx.execute(table.select()).all())
    assert Counter(row.list for row in rows) == {0: ENTRIES * 3 // 4, 1: ENTRIES // 4}
    assert await database.read(lambda tx: lists.list_count(tx, TENANT)) == 2
    urgent = [change.urgent for change in await database.read(lambda tx: lists.changes(tx, TENANT))]
    assert urgent == [False, False], "a new list is news, but none that hurries"


async def test_tenants_have_lists_of_their_own(database: Database, randomness: SeededRandomness) -> None:
    for tenant in (TENANT, OTHER):
        place = await database.write(lambda tx, t=tenant: lists.allocate(tx, t, _name(t), randomness))
        assert place.list == 0
    assert await database.read(lists.tenants) == [TENANT, OTHER]
    with pytest.raises(ValueError, match="is not of"):
        await database.write(lambda tx: lists.allocate(tx, TENANT, _name(OTHER), randomness))
    with pytest.raises(ValueError, match="is not of"):
        await database.write(lambda tx: lists.set_value(tx, TENANT, _name(OTHER), Status.INVALID))


async def test_who_has_no_place_is_left_out(database: Database) -> None:
    await database.write(lambda tx: lists.set_value(tx, TENANT, _name(), Status.INVALID))
    assert await database.read(lists.changes) == []


def test_invalid_is_for_ever_whatever_comes_after(tmp_path: Path) -> None:
    with fresh_database(tmp_path) as database:

        @settings(max_examples=25, deadline=None)
        @given(st.lists(st.sampled_from(list(Status)), max_size=8))
        def check(values: list[Status]) -> None:
            asyncio.run(_check_values(database, values))

        check()


async def _check_values(database: Database, values: list[Status]) -> None:
    subject = _name()
    place = await database.write(lambda tx: lists.allocate(tx, TENANT, subject, SystemRandomness()))
    await database.write(lambda tx: lists.forget_changes(tx, lists.changes(tx)))
    expected, told = Status.VALID, 0
    for value in values:
        await database.write(lambda tx, v=value: lists.set_value(tx, TENANT, subject, v))
        if expected not in {Status.INVALID, value}:
            expected, told = value, told + 1
    assert await database.read(lambda tx: lists.value(tx, subject)) is expected
    entries = await database.read(lambda tx: lists.set_entries(tx, TENANT, place.list))
    assert entries.get(place.idx, Status.VALID) is expected
    assert len(await database.read(lists.changes)) == told
