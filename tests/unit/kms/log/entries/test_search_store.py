import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from kms.core.database import Database
from kms.log.entries import search_store
from kms.log.entries.search_store import Filter, Place, SearchRow
from support.clock import START
from support.database import fresh_database

SUBJECTS = ["models/1", "models/1/a", "models/10", "models/2", "tenants/default/keys/a", "zoo"]
TYPES = ["com.example.a.made", "com.example.a.gone"]


@pytest.fixture
def database(tmp_path: Path, database_url: str) -> Iterator[Database]:
    with fresh_database(tmp_path, database_url) as opened:
        yield opened


def rows(count: int, seed: int = 1) -> list[SearchRow]:
    """Times that repeat and go back now and then, as clocks of replicas do."""
    chance = random.Random(seed)
    return [
        SearchRow(
            index,
            chance.choice(["default", "default", "other"]),
            chance.choice(SUBJECTS),
            chance.choice(TYPES),
            START + timedelta(seconds=index // 3 - chance.choice([0, 0, 0, 5])),
        )
        for index in range(count)
    ]


def expected(all_rows: list[SearchRow], wanted: Filter) -> list[int]:
    """The same, by looking at every row."""
    fitting = [
        (row.event_time, row.index)
        for row in all_rows
        if row.tenant == wanted.tenant
        and (not wanted.event_type or row.event_type == wanted.event_type)
        and (wanted.below or not wanted.subject or row.subject == wanted.subject)
        and (not wanted.below or row.subject.startswith(wanted.subject))
        and (wanted.start_time is None or row.event_time >= wanted.start_time)
        and (wanted.end_time is None or row.event_time < wanted.end_time)
    ]
    return [index for _, index in sorted(fitting, reverse=not wanted.oldest_first)]


def found(tx: sa.Connection, wanted: Filter, limit: int) -> list[int]:
    indices: list[int] = []
    after: Place | None = None
    for _ in range(10_000):
        page = search_store.find(tx, wanted, after, limit)
        indices += [place.index for place in page.places]
        after = page.end
        if after is None:
            return indices
    raise AssertionError("the pages do not end")


def at(seconds: int) -> datetime:
    return START + timedelta(seconds=seconds)


FILTERS = [
    Filter(tenant="default"),
    Filter(tenant="nobody"),
    Filter(tenant="default", subject="models/1"),
    Filter(tenant="default", subject="models/", below=True),
    Filter(tenant="default", subject="models/1/", below=True),
    Filter(tenant="default", subject="nothing/", below=True),
    Filter(tenant="default", event_type=TYPES[0]),
    Filter(tenant="default", event_type="com.example.never.seen"),
    Filter(tenant="default", subject="zoo", event_type=TYPES[1]),
    Filter(tenant="default", subject="tenants/", below=True, event_type=TYPES[1]),
    Filter(tenant="default", start_time=at(20)),
    Filter(tenant="default", end_time=at(20)),
    Filter(tenant="other", subject="models/", below=True, event_type=TYPES[0], start_time=at(10), end_time=at(40)),
]


@pytest.mark.parametrize("bounds", [(10_000, 10_000), (3, 7), (0, 4)], ids=["narrow", "both", "walked"])
async def test_every_filter_finds_what_fits(
    database: Database, monkeypatch: pytest.MonkeyPatch, bounds: tuple[int, int]
) -> None:
    monkeypatch.setattr(search_store, "NARROW_MAX", bounds[0])
    monkeypatch.setattr(search_store, "SCAN_MAX", bounds[1])
    all_rows = rows(200)
    await database.write(lambda tx: search_store.insert_rows(tx, all_rows))
    for wanted in FILTERS:
        for oldest_first in (False, True):
            both = Filter(
                tenant=wanted.tenant,
                subject=wanted.subject,
                below=wanted.below,
                event_type=wanted.event_type,
                start_time=wanted.start_time,
                end_time=wanted.end_time,
                oldest_first=oldest_first,
            )
            for limit in (3, 1000):
                indices = await database.read(lambda tx, both=both, limit=limit: found(tx, both, limit))
                assert indices == expected(all_rows, both), both


async def test_a_page_is_bounded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_store, "NARROW_MAX", 2)
    monkeypatch.setattr(search_store, "SCAN_MAX", 10)
    made = [SearchRow(index, "default", "a/1" if index < 5 else "b", "x.y.z", at(index)) for index in range(100)]
    await database.write(lambda tx: search_store.insert_rows(tx, made))
    page = await database.read(
        lambda tx: search_store.find(tx, Filter(tenant="default", subject="a/", below=True), None, 10)
    )
    assert page.places == ()
    assert page.end == Place(at(90), 90), "it looked at ten entries and says where to go on"


async def test_what_is_there_is_left_alone(database: Database) -> None:
    first, other = rows(10), rows(12, seed=2)
    await database.write(lambda tx: search_store.insert_rows(tx, first))
    await database.write(lambda tx: search_store.insert_rows(tx, other))
    assert await database.read(search_store.indexed_size) == 12
    assert await database.read(lambda tx: found(tx, Filter(tenant="default"), 5)) == expected(
        first + other[10:], Filter(tenant="default")
    )
    assert await database.read(search_store.last_row) == other[11]


async def test_an_empty_index(database: Database) -> None:
    assert await database.read(search_store.indexed_size) == 0
    assert await database.read(search_store.last_row) is None
    assert await database.read(lambda tx: found(tx, Filter(tenant="default"), 5)) == []


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (Filter(tenant="default"), "ix_tlog_search_time"),
        (Filter(tenant="default", start_time=at(3)), "ix_tlog_search_time"),
        (Filter(tenant="default", subject="a"), "ix_tlog_search_subject"),
        (Filter(tenant="default", event_type="x.y.z"), "ix_tlog_search_type"),
    ],
)
async def test_walks_follow_an_index_and_sort_nothing(tmp_path: Path, wanted: Filter, index: str) -> None:
    query = search_store.walk(wanted, None).limit(64).compile(compile_kwargs={"literal_binds": True})
    with fresh_database(tmp_path) as database:
        plan = await database.read(lambda tx: tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}").all())
    text = " ".join(str(row) for row in plan)
    assert index in text
    assert "TEMP B-TREE" not in text
