"""Folder and HTTP: the same bytes, from any place in the file; what a server may not do."""

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hallmark_release import FolderSource, HttpSource, open_source, verify_release
from hallmark_release.errors import SourceFailed, SourceMissing, SourceTooSlow
from hallmark_release.source import ReleaseSource, read_file
from unit.hallmark_release.release_world import MODEL, NOW, Publisher

DATA = bytes(range(256)) * 3000


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def serving(handler: Callable) -> Iterator[HttpSource]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield HttpSource(f"http://127.0.0.1:{server.server_port}", timeout_seconds=5)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answering(status: int, body: bytes, **headers: str) -> Callable:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in {"content_length": str(len(body)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    return Handler


@pytest.fixture(params=["folder", "http"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ReleaseSource]:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/file").write_bytes(DATA)
    if request.param == "folder":
        yield FolderSource(tmp_path)
        return
    with serving(functools.partial(Quiet, directory=str(tmp_path))) as served:
        yield served


def test_from_any_place(source: ReleaseSource) -> None:
    for start in (0, 1, 300_000, len(DATA) - 1):
        assert b"".join(source.stream("parts/file", start=start)) == DATA[start:]
    assert read_file(source, "parts/file", max_bytes=len(DATA)) == DATA
    with pytest.raises(SourceFailed, match="larger"):
        read_file(source, "parts/file", max_bytes=len(DATA) - 1)
    with pytest.raises(SourceMissing):
        list(source.stream("parts/other"))


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a//b", "a/../b", ".hidden", "a b", "%2e", "", "a" * 600])
def test_paths_that_no_repository_has(source: ReleaseSource, path: str) -> None:
    with pytest.raises(SourceFailed, match="no path"):
        list(source.stream(path))


def test_a_part_of_the_file() -> None:
    with serving(answering(206, DATA[7:], content_range=f"bytes 7-{len(DATA) - 1}/{len(DATA)}")) as source:
        assert b"".join(source.stream("a", start=7)) == DATA[7:]
        with pytest.raises(SourceFailed, match="another range"):
            list(source.stream("a", start=8))


@pytest.mark.parametrize(
    ("handler", "error"),
    [
        (answering(500, b""), SourceFailed),
        (answering(410, b""), SourceMissing),
        (answering(302, b"", location="http://127.0.0.1:1/"), SourceFailed),
        (answering(204, b""), SourceFailed),
        (answering(200, b"short", content_length="9"), SourceFailed),
    ],
    ids=["fault", "gone", "redirect", "no-content", "cut"],
)
def test_a_server_that_misbehaves(handler: Callable, error: type[SourceFailed]) -> None:
    with serving(handler) as source, pytest.raises(error):
        list(source.stream("a"))


def test_nobody_there() -> None:
    with pytest.raises(SourceFailed):
        list(HttpSource("http://127.0.0.1:9", timeout_seconds=1).stream("a"))
    for place in ("ftp://x/y", "http://"):
        with pytest.raises(SourceFailed):
            HttpSource(place)
    assert isinstance(open_source("./folder"), FolderSource)
    assert isinstance(open_source("https://models.example"), HttpSource)


def test_a_release_over_http(publisher: Publisher) -> None:
    built = publisher.publish({"a": b"weights"})
    with serving(functools.partial(Quiet, directory=str(publisher.served))) as source:
        assert verify_release(source, MODEL, publisher.trust, now=NOW).index == built.index


class Response:
    """An answer that comes in these portions."""

    status = 200
    length = 0

    def __init__(self, portions: list[bytes]) -> None:
        self._portions = [*portions, b""]

    def read1(self, size: int) -> bytes:
        return self._portions.pop(0)


def test_a_byte_now_and_then_is_no_download() -> None:
    """Each wait takes 3 s: that is fine for 4 KiB and too long for a byte."""
    ticks = iter(range(0, 1_000_000, 3))
    source = HttpSource("http://models.example", timeout_seconds=5, monotonic=lambda: next(ticks))
    assert len(b"".join(source._body("a", Response([b"x" * 4096] * 100), 0))) == 409_600
    with pytest.raises(SourceTooSlow):
        list(source._body("a", Response([b"x"] * 100), 0))
