from datetime import timedelta

import pytest

from kms.core.errors import InvalidArgument, NotFound, Reason
from kms.log.entries import entry_store, finding, search_store
from kms.log.entries.finding import page_size, page_token, read_page_token
from kms.log.entries.search_store import Filter, Place
from support.clock import START
from support.log_entries import EntriesWorld
from support.log_world import LogWorld

WANTED = Filter(tenant="default", subject="a/", below=True, start_time=START)
PLACE = Place(START + timedelta(seconds=3), 7)


@pytest.fixture
def entries(world: LogWorld) -> EntriesWorld:
    return EntriesWorld(world)


async def test_an_entry_by_index_and_by_key(entries: EntriesWorld) -> None:
    key = await entries.append(tenant="other")
    finder = entries.services().finder
    assert await finder.get(0) == await finder.get(key)
    await entries.append(publish=False)
    for missing in (1, -1, 2**62, "nothing"):
        with pytest.raises(NotFound) as refused:
            await finder.get(missing)
        assert refused.value.reason is Reason.LOG_ENTRY_NOT_FOUND


async def test_a_tenant_finds_its_own(entries: EntriesWorld) -> None:
    for number in range(5):
        await entries.append(f"a/{number}")
        await entries.append(f"a/{number}", tenant="other")
    await entries.indexer().catch_up()
    finder = entries.services().finder
    page = await finder.list(Filter(tenant="default", subject="a/", below=True), None, limit=3)
    assert ([entry.index for entry in page.entries], page.indexed_size) == ([8, 6, 4], 10)
    rest = await finder.list(Filter(tenant="default", subject="a/", below=True), page.end, limit=3)
    assert ([entry.index for entry in rest.entries], rest.end) == ([2, 0], None)
    assert (await finder.list(Filter(tenant="third"), None, limit=3)).entries == ()


async def test_the_entry_says_whose_it_is_whatever_the_index_says(world: LogWorld, entries: EntriesWorld) -> None:
    await entries.append("a/1", tenant="other")
    row = search_store.SearchRow(0, "default", "a/1", "x.y.z", world.clock.now())
    await world.database.write(lambda tx: search_store.insert_rows(tx, [row]))
    assert (await entries.services().finder.list(Filter(tenant="default"), None, limit=3)).entries == ()


async def test_large_entries_make_short_pages(entries: EntriesWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        await entries.append(f"a/{number}")
    await entries.indexer().catch_up()
    monkeypatch.setattr(finding, "BYTES_MAX", 450)  # two of them
    finder, wanted = entries.services().finder, Filter(tenant="default")
    first = await finder.list(wanted, None, limit=10)
    assert [entry.index for entry in first.entries] == [3, 2]
    second = await finder.list(wanted, first.end, limit=10)
    assert ([entry.index for entry in second.entries], second.end) == ([1, 0], None)


async def test_a_single_entry_is_read_however_large_it_is(world: LogWorld, entries: EntriesWorld) -> None:
    await entries.append()
    for bytes_max in (0, 10):
        assert len(await world.read(lambda tx, n=bytes_max: entry_store.read_run(tx, 0, 9, bytes_max=n))) == 1
        assert len(await world.read(lambda tx, n=bytes_max: entry_store.read_picked(tx, [0], bytes_max=n))) == 1
    assert await world.read(lambda tx: entry_store.read_run(tx, 1, 9, bytes_max=10)) == []
    assert await world.read(lambda tx: entry_store.read_picked(tx, [], bytes_max=10)) == []


def test_a_token_leads_back_to_its_place() -> None:
    assert read_page_token(WANTED, page_token(WANTED, PLACE)) == PLACE
    assert (page_token(WANTED, None), read_page_token(WANTED, "")) == ("", None)


@pytest.mark.parametrize(
    "other",
    [
        Filter(tenant="other", subject="a/", below=True, start_time=START),
        Filter(tenant="default", subject="a/", start_time=START),
        Filter(tenant="default", subject="a/", below=True),
        Filter(tenant="default", subject="a/", below=True, start_time=START, oldest_first=True),
    ],
    ids=["tenant", "below", "time", "order"],
)
def test_a_token_serves_one_filter(other: Filter) -> None:
    with pytest.raises(InvalidArgument) as refused:
        read_page_token(other, page_token(WANTED, PLACE))
    assert refused.value.reason is Reason.PAGE_TOKEN_INVALID


@pytest.mark.parametrize(
    "token", ["x", "é", "AAAA", page_token(WANTED, PLACE)[:-4], page_token(WANTED, PLACE) + "AAAA"]
)
def test_garbage_is_refused(token: str) -> None:
    with pytest.raises(InvalidArgument):
        read_page_token(WANTED, token)


def test_page_sizes() -> None:
    assert (page_size(0), page_size(1), page_size(256)) == (64, 1, 256)
    for wrong in (-1, 257):
        with pytest.raises(InvalidArgument):
            page_size(wrong)
