"""Pieces from the source to the disk: what is fetched again and what is not, pauses, connections, memory."""

import functools
import secrets
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hallmark_client.device.updates import UpdateSettings
from hallmark_client.device.updates.fetching import Run, runs, split
from hallmark_client.system import System
from hallmark_release import HttpSource
from hallmark_release.errors import PieceInvalid, SourceFailed
from hallmark_release.index import PIECE_SIZE, IndexPart, encrypted_size
from unit.hallmark_client.device.updates.update_world import MIB, CountingSource, UpdateDevice
from unit.hallmark_release.release_world import Publisher

FILES = {"one.bin": secrets.token_bytes(21 * MIB), "two.bin": secrets.token_bytes(5 * MIB)}


def part_of(pieces: int) -> IndexPart:
    size = pieces * PIECE_SIZE * 9 // 10
    digests = tuple(bytes(32) for _ in range(-(-encrypted_size(size) // PIECE_SIZE)))
    return IndexPart(
        path="a",
        size=size,
        sha256="0" * 64,
        encrypted_size=encrypted_size(size),
        pieces=digests,
    )


def test_neighbours_are_one_run() -> None:
    part = part_of(10)
    assert runs(part, [0, 1, 4, 6, 7]) == [Run(part, 0, 2), Run(part, 4, 5), Run(part, 6, 8)]
    assert runs(part, []) == []
    assert sum(run.size for run in runs(part, range(len(part.pieces)))) == part.encrypted_size


def test_a_long_run_is_shared() -> None:
    part = part_of(40)
    whole = Run(part, 0, 36)
    assert split([whole], 1) == [whole]
    assert split([whole], 2) == [Run(part, 0, 18), Run(part, 18, 36)]
    assert split([], 2) == []
    assert split([Run(part, 0, 7)], 2) == [Run(part, 0, 7)], "too short to be worth it"
    assert [(run.first, run.end) for run in split([whole], 4)] == [(0, 9), (9, 18), (18, 27), (27, 36)]


def failing(source: CountingSource, when: Callable[[int], bool], error: type[Exception]) -> None:
    lock, count = threading.Lock(), 0

    def fail(path: str, portion: bytes) -> bytes:
        nonlocal count
        if path.startswith("parts/"):
            with lock:
                count += 1
                if when(count):
                    raise error("the line is cut")
        return portion

    source.on_portion = fail


def test_a_line_that_is_cut_now_and_then(publisher: Publisher, device: UpdateDevice, source: CountingSource) -> None:
    """As long as a piece comes through in between, it goes on, from the piece that was cut."""
    built = publisher.publish(FILES)
    device.settings = UpdateSettings(attempts=2, connections=1)
    failing(source, lambda count: count % 21 == 0, SourceFailed)
    device.update()
    device.check_installed(built, FILES)
    assert source.part_bytes < built.index.encrypted_size + 10 * PIECE_SIZE


def test_pauses_have_full_jitter_and_an_end(publisher: Publisher, device: UpdateDevice, source: CountingSource) -> None:
    publisher.publish(FILES)
    failing(source, lambda _: True, SourceFailed)
    slept: list[float] = []
    settings = UpdateSettings(attempts=4, connections=1, wait_seconds=0.5, wait_seconds_max=1.5)
    system = System(sleep=slept.append, jitter=lambda: 0.5, monotonic=lambda: 0.0)
    with pytest.raises(SourceFailed):
        device.update(settings=settings, system=system)
    assert slept == [0.25, 0.5, 0.75]


def test_a_second_update_fetches_what_the_first_did_not(
    publisher: Publisher, device: UpdateDevice, source: CountingSource
) -> None:
    built = publisher.publish(FILES)
    failing(source, lambda count: count > 60, SourceFailed)
    with pytest.raises(SourceFailed):
        device.update()
    there = sum(path.stat().st_size for path in device.waiting())
    assert there >= PIECE_SIZE
    source.read.clear()
    source.on_portion = lambda _, portion: portion
    installed = device.update()
    assert 0 < installed.fetched < built.index.encrypted_size
    assert source.part_bytes < built.index.encrypted_size
    device.check_installed(built, FILES)


def test_what_lies_there_is_not_believed(publisher: Publisher, device: UpdateDevice, source: CountingSource) -> None:
    built = publisher.publish(FILES)
    failing(source, lambda count: count > 60, SourceFailed)
    with pytest.raises(SourceFailed):
        device.update()
    for path in device.waiting():
        path.write_bytes(b"\1" * path.stat().st_size)
    source.on_portion = lambda _, portion: portion
    assert device.update().fetched == built.index.encrypted_size
    device.check_installed(built, FILES)


def test_a_corrupt_piece_is_tried_again(publisher: Publisher, device: UpdateDevice, source: CountingSource) -> None:
    """It may have been an accident on the way."""
    built = publisher.publish(FILES)
    spoilt = threading.Event()

    def once(path: str, portion: bytes) -> bytes:
        if path.startswith("parts/") and not spoilt.is_set():
            spoilt.set()
            return bytes(len(portion))
        return portion

    source.on_portion = once
    device.update()
    device.check_installed(built, FILES)


def test_one_that_fails_for_good_ends_the_others(
    publisher: Publisher, device: UpdateDevice, source: CountingSource
) -> None:
    built = publisher.publish({f"{number}.bin": secrets.token_bytes(MIB) for number in range(12)})
    first = built.index.parts[0].location
    source.on_portion = lambda path, portion: bytes(len(portion)) if path == first else portion
    with pytest.raises(PieceInvalid):
        device.update(settings=UpdateSettings(attempts=1))
    assert source.part_bytes < built.index.encrypted_size


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


class Ranges(Quiet):
    """`Range: bytes=N-`, as static servers have it."""

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        path = Path(self.translate_path(self.path))
        if asked is None or not path.is_file():
            super().do_GET()
            return
        start, data = int(asked.removeprefix("bytes=").removesuffix("-")), path.read_bytes()
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.wfile.write(data[start:])


@contextmanager
def serving(handler: type, folder: Path) -> Iterator[HttpSource]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield HttpSource(f"http://127.0.0.1:{server.server_port}", timeout_seconds=5)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("handler", [Quiet, Ranges], ids=["without-ranges", "with-ranges"])
def test_over_http_from_the_middle(
    publisher: Publisher, device: UpdateDevice, source: CountingSource, handler: type
) -> None:
    built = publisher.publish(FILES)
    failing(source, lambda count: count > 60, SourceFailed)
    with pytest.raises(SourceFailed):
        device.update()
    with serving(handler, publisher.served) as over_http:
        device.source = over_http
        assert device.update().fetched < built.index.encrypted_size
    device.check_installed(built, FILES)


@pytest.mark.parametrize("size", [20, 60])
def test_memory_does_not_grow_with_the_release(publisher: Publisher, device: UpdateDevice, size: int) -> None:
    publisher.publish({"weights.bin": secrets.token_bytes(size * MIB)})
    device.updater().check("example-7b")
    tracemalloc.start()
    device.update()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 * MIB, "beside the pages of the buffers, of which each connection has one"
