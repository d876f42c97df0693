"""The operator's sources: files that change, a folder, a mirror that fails, and a restart."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from attestation.model import Evidence, Format
from attestation.status import StatusList
from kms.collateral.feeds import EARLIEST, RETRY, CollateralFeeds, Source, shown, wait
from kms.collateral.model import CollateralItem, CollateralKind
from kms.core.errors import Reason, Unavailable
from kms.core.names import ChildName
from support.clock import START
from unit.kms.collateral.bench import EMPTY_LIST, CollateralBench
from unit.kms.collateral.site import Site, serving

LIST = json.dumps({"entries": {"c35747a084470c3135aeefe2b8d40cd6": {"status": "REVOKED"}}}).encode()
STATUS = CollateralKind.ANDROID_STATUS


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        site.body = LIST
        yield site


def _feeds(bench: CollateralBench, *sources: Source, folder: Path | None = None) -> CollateralFeeds:
    return CollateralFeeds(
        bench.collateral, sources=sources, folder=folder, clock=bench.service.clock, look_seconds=0.02
    )


@asynccontextmanager
async def _running(feeds: CollateralFeeds) -> AsyncIterator[CollateralFeeds]:
    await feeds.start()
    try:
        yield feeds
    finally:
        await feeds.close()


def _source(location: object, *, kind: CollateralKind = STATUS, refresh: float = 3600) -> Source:
    return Source(kind=kind, location=str(location), refresh=timedelta(seconds=refresh))


async def _status(bench: CollateralBench) -> StatusList | None:
    _, collateral = await bench.shelf.current("default", Evidence(Format.ANDROID_KEY, ()))
    return collateral.android_status


async def _entries(bench: CollateralBench) -> int | None:
    found = await _status(bench)
    return None if found is None else len(found.entries)


async def _until(bench: CollateralBench, entries: int) -> None:
    async with asyncio.timeout(5):
        while await _entries(bench) != entries:  # noqa: ASYNC110 - a server in a thread, there is no event
            await asyncio.sleep(0.01)


async def test_a_file_is_read_before_start_returns_and_again_when_it_changes(
    bench: CollateralBench, tmp_path: Path
) -> None:
    file = tmp_path / "list.json"
    file.write_bytes(LIST)
    os.utime(file, (START.timestamp(), START.timestamp()))
    async with _running(_feeds(bench, _source(file))):
        found = await _status(bench)
        assert found is not None
        assert found.fetched_at == START, "as old as its last change"
        file.write_bytes(EMPTY_LIST)
        await _until(bench, 0)


async def test_a_mirror_is_asked_in_the_background(bench: CollateralBench, site: Site) -> None:
    async with _running(_feeds(bench, _source(site.url, refresh=0.02))):
        await _until(bench, 1)
        site.body = EMPTY_LIST
        await _until(bench, 0)
        site.status = 500
        asked = site.requests
        while site.requests < asked + 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        site.status, site.body = 200, LIST
        await _until(bench, 1)


async def test_what_fails_leaves_what_is_in_force_and_is_shown(bench: CollateralBench, site: Site) -> None:
    feeds = _feeds(bench)
    source = _source(site.url)
    good = await feeds.refresh(source)
    assert good is not None
    for site.status, site.body in ((503, b""), (404, LIST), (200, b"<html>"), (200, b'{"entries": []}'), (200, b"")):
        assert await feeds.refresh(source) is None
        (status,) = bench.collateral.sources()
        assert status.error
        assert await _entries(bench) == 1
    site.status, site.body = 200, LIST
    assert await feeds.refresh(source) is not None
    (status,) = bench.collateral.sources()
    assert not status.error


async def test_what_is_in_force_outlives_a_restart(bench: CollateralBench, site: Site) -> None:
    await _feeds(bench).refresh(_source(site.url))
    site.status = 503
    bench.service.clock.advance(5 * 3600)
    async with _running(_feeds(bench, _source(site.url))):
        found = await _status(bench)
        assert found is not None
        assert found.fetched_at == START, "its age is that of the fetch, not of the restart"


async def test_the_folder_is_watched(bench: CollateralBench, tmp_path: Path) -> None:
    folder = tmp_path / "collateral"
    (folder / "amd-crl").mkdir(parents=True)
    (folder / "tpm-keys").mkdir()
    (folder / "amd-crl" / "milan.crl").write_bytes(bench.crl())
    (folder / "tpm-keys" / "Plant.json").write_bytes(b'{"tpm_keys": []}')
    (folder / "tpm-keys" / ".half-written").write_bytes(b"{")
    (folder / "tpm-keys" / "no label!.json").write_bytes(b'{"tpm_keys": []}')
    async with _running(_feeds(bench, folder=folder)) as feeds:
        pieces = (await bench.list_all()).collateral
        assert [piece.key.split("/")[0] for piece in pieces] == ["ARK-Milan", "plant"]
        assert {piece.name.split("/")[1] for piece in pieces} == {"system"}
        before = len(bench.changes)
        await feeds.look_at_files()
        assert len(bench.changes) == before, "what has not changed is not read again"
        (folder / "amd-crl" / "newer.crl").write_bytes(bench.crl(days=1))
        await feeds.look_at_files()
        assert len(bench.changes) == before + 1


async def test_a_misnamed_subfolder_is_told_once(
    bench: CollateralBench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "collateral"
    for name in ("amd-crls", "amd-crl", ".git"):
        (folder / name).mkdir(parents=True)
    async with _running(_feeds(bench, folder=folder)) as feeds:
        await feeds.look_at_files()
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(told) == 1
    assert told[0].startswith(f"{folder / 'amd-crls'} is passed over: subfolders are named amd-crl, ")


async def test_what_the_database_refused_is_tried_again(
    bench: CollateralBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "list.json"
    file.write_bytes(LIST)
    feeds = _feeds(bench, _source(file))

    async def refuse(work: object) -> None:
        raise Unavailable(Reason.DATABASE_UNAVAILABLE, "away")

    with monkeypatch.context() as patch:
        patch.setattr(bench.service.database, "write", refuse)
        await feeds.look_at_files()
    assert await _entries(bench) is None
    await feeds.look_at_files()
    assert await _entries(bench) == 1


async def test_a_missing_file_is_said_once(bench: CollateralBench, tmp_path: Path) -> None:
    feeds = _feeds(bench, _source(tmp_path / "missing.json"))
    await feeds.look_at_files()
    (status,) = bench.collateral.sources()
    assert "can not be read" in status.error
    bench.service.clock.advance(60)
    await feeds.look_at_files()
    assert bench.collateral.sources() == [status]


def test_how_long_it_waits() -> None:
    hour = timedelta(hours=1)

    def item(left: timedelta | None) -> CollateralItem:
        return CollateralItem(
            name=ChildName("system", "collateral", "x"),
            kind=STATUS,
            key="",
            sha256="",
            source="",
            size=0,
            version=(),
            issue_time=None,
            next_update=None if left is None else START + left,
            fetch_time=START,
            update_time=START,
        )

    assert wait(hour, None, START) == RETRY
    assert wait(timedelta(seconds=5), None, START) == timedelta(seconds=5)
    assert wait(hour, item(None), START) == hour
    assert wait(hour, item(timedelta(days=9)), START) == hour
    assert wait(hour, item(timedelta(minutes=20)), START) == timedelta(minutes=10)
    assert wait(hour, item(timedelta(minutes=-5)), START) == EARLIEST


def test_what_may_be_secret_in_a_url_is_not_shown() -> None:
    assert shown("https://user:word@mirror.example:8443/list?key=1#x") == "https://mirror.example:8443/list"
    assert shown("/etc/list.json") == "/etc/list.json"


@pytest.mark.parametrize(
    ("kind", "location", "label"),
    [(STATUS, "http://example.org/x", ""), (STATUS, "/x", "label"), (CollateralKind.TPM_KEYS, "/x", "")],
)
def test_sources_that_can_not_be(kind: CollateralKind, location: str, label: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Source(kind=kind, location=location, refresh=timedelta(1), label=label)
