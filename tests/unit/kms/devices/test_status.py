"""The status list against a real file and a real HTTP server on this machine."""

import asyncio
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from attestation.errors import CollateralError
from attestation.status import CertificateStatus
from kms.devices import fetch
from kms.devices.fetch import FetchFailed, check_source, read_file, read_url
from kms.devices.status import StatusFeed
from support.clock import START, FakeClock

LIST = json.dumps({"entries": {"c35747a084470c3135aeefe2b8d40cd6": {"status": "REVOKED", "reason": "KEY_COMPROMISE"}}})
EMPTY = json.dumps({"entries": {}})


@dataclass
class Site:
    """What the server answers to the next requests."""

    url: str = ""
    status: int = 200
    body: bytes = LIST.encode()
    headers: dict[str, str] = field(default_factory=dict)
    pause_seconds: float = 0
    requests: int = 0


@contextmanager
def _serving() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.requests += 1
            self.send_response(site.status)
            for name, value in site.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if not site.pause_seconds:
                self.wfile.write(site.body)
                return
            for byte in site.body[:8]:
                self.wfile.write(bytes([byte]))
                time.sleep(site.pause_seconds)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}/status"
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    with _serving() as site:
        yield site


def _feed(source: str, folder: Path, clock: FakeClock | None = None, *, refresh: float = 3600) -> StatusFeed:
    return StatusFeed(source, folder=folder, refresh=timedelta(seconds=refresh), clock=clock or FakeClock())


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def _until(condition: object) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the server runs in a thread, there is no event to wait for
            await asyncio.sleep(0.01)


async def test_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "list.json"
    file.write_text(LIST)
    os.utime(file, (START.timestamp(), START.timestamp()))
    feed = _feed(str(file), tmp_path / "kept")
    await feed.start()
    try:
        current = feed.current()
        assert current is not None, "a file is read before start returns"
        assert current.fetched_at == START
        entry = current.find("c35747a084470c3135aeefe2b8d40cd6")
        assert entry is not None
        assert entry.status is CertificateStatus.REVOKED
    finally:
        await feed.close()


async def test_from_a_url(tmp_path: Path, site: Site) -> None:
    clock = FakeClock()
    feed = _feed(site.url, tmp_path, clock)
    assert feed.current() is None
    current = await feed.refresh()
    assert feed.current() is current
    assert current.fetched_at == START
    assert len(current.entries) == 1


async def test_a_server_that_is_away_leaves_the_last_good_list(tmp_path: Path, site: Site) -> None:
    clock = FakeClock()
    feed = _feed(site.url, tmp_path, clock)
    good = await feed.refresh()
    clock.advance(3600)
    for site.status, site.body in (
        (503, b""),
        (404, LIST.encode()),
        (200, b"<html>"),
        (200, b'{"entries": []}'),
        (200, b""),
    ):
        with pytest.raises((FetchFailed, CollateralError)):
            await feed.refresh()
        assert feed.current() is good
    assert not good.fresh(at=START + timedelta(days=2), max_age=timedelta(days=1)), "and it grows old"


async def test_the_last_good_list_outlives_a_restart(tmp_path: Path, site: Site) -> None:
    before = await _feed(site.url, tmp_path).refresh()
    site.status = 503
    after = _feed(site.url, tmp_path, FakeClock(START + timedelta(hours=5)))
    await after.start()
    try:
        assert after.current() == before
        assert after.current().fetched_at == START, "its age is that of the fetch, not of the restart"
    finally:
        await after.close()


async def test_a_copy_from_another_source_is_not_used(tmp_path: Path, site: Site) -> None:
    await _feed(site.url, tmp_path).refresh()
    other = _feed(str(tmp_path / "missing.json"), tmp_path)
    await other.start()
    try:
        assert other.current() is None
    finally:
        await other.close()


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "latest.json").write_bytes(b"{"),
        lambda folder: (folder / "latest.json").write_bytes(b"[]"),
        lambda folder: (folder / "latest.json").write_bytes(b"\xff\xfe"),
        lambda folder: next(folder.glob("[0-9a-f]*[0-9a-f].json")).write_text(EMPTY),
        lambda folder: next(folder.glob("[0-9a-f]*[0-9a-f].json")).unlink(),
    ],
    ids=["cut off", "other JSON", "no text", "list changed", "list gone"],
)
async def test_a_damaged_copy_is_not_used(tmp_path: Path, site: Site, damage: object) -> None:
    await _feed(site.url, tmp_path).refresh()
    damage(tmp_path)
    site.status = 503
    feed = _feed(site.url, tmp_path)
    await feed.start()
    try:
        assert feed.current() is None
    finally:
        await feed.close()


async def test_every_list_that_was_in_force_is_kept(tmp_path: Path, site: Site) -> None:
    feed = _feed(site.url, tmp_path)
    first = await feed.refresh()
    site.body = EMPTY.encode()
    second = await feed.refresh()
    await feed.refresh()
    assert (tmp_path / f"{first.sha256}.json").read_text() == LIST
    assert (tmp_path / f"{second.sha256}.json").read_text() == EMPTY
    assert _names(tmp_path) == sorted([f"{first.sha256}.json", f"{second.sha256}.json", "latest.json"])


async def test_it_refreshes_by_itself(tmp_path: Path, site: Site) -> None:
    feed = _feed(site.url, tmp_path, refresh=0.02)
    await feed.start()
    try:
        await _until(lambda: feed.current() is not None and len(feed.current().entries) == 1)
        site.body = EMPTY.encode()
        await _until(lambda: not feed.current().entries)
        site.status = 500
        failed_at = site.requests
        await _until(lambda: site.requests > failed_at + 2)
        site.status, site.body = 200, LIST.encode()
        await _until(lambda: len(feed.current().entries) == 1)
    finally:
        await feed.close()
    await feed.close()


@pytest.mark.parametrize(
    "source", ["http://example.org/status", "ftp://127.0.0.1/x", "file:///etc/passwd", "https://", "http://10.0.0.1/"]
)
def test_sources_that_are_not_allowed(source: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be a file"):
        _feed(source, tmp_path)


@pytest.mark.parametrize(
    "source", ["/etc/list.json", "list.json", "https://example.org/x", "http://localhost:1/", "http://[::1]/x"]
)
def test_sources_that_are_allowed(source: str) -> None:
    assert check_source(source) == source


def test_a_redirect_to_a_weaker_place_is_refused(site: Site) -> None:
    site.status, site.headers = 302, {"Location": "http://example.org/status"}
    with pytest.raises(FetchFailed, match="not allowed"):
        read_url(site.url)


def test_a_redirect_on_this_machine_is_followed(site: Site) -> None:
    with _serving() as other:
        other.status, other.headers = 302, {"Location": site.url}
        assert read_url(other.url) == LIST.encode()


def test_a_list_that_is_too_large(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "STATUS_BYTES_MAX", len(LIST) - 1)
    with pytest.raises(FetchFailed, match="larger than"):
        read_url(site.url)
    file = tmp_path / "list.json"
    file.write_text(LIST)
    with pytest.raises(FetchFailed, match="larger than"):
        read_file(file)


def test_a_server_that_trickles(site: Site) -> None:
    site.pause_seconds = 0.1
    with pytest.raises(FetchFailed):
        read_url(site.url, timeout_seconds=0.25)


def test_nobody_listens() -> None:
    with _serving() as site:
        pass
    with pytest.raises(FetchFailed, match="can not be fetched"):
        read_url(site.url, timeout_seconds=1)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FetchFailed, match="can not be read"):
        read_file(tmp_path / "missing.json")
