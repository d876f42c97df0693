"""Attacks on what arrives: pieces corrupted, cut, extended, swapped; data without end; a byte now and then."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from chaos.chaos_world import LARGE, Chaos
from hallmark_release import HttpSource
from hallmark_release.errors import MetadataInvalid, PieceInvalid, SourceMissing, SourceTooSlow
from hallmark_release.index import PIECE_SIZE


@pytest.fixture
def files() -> dict[str, bytes]:
    return LARGE


def part_file(folder: Path, chaos: Chaos, path: str = "weights.bin") -> Path:
    found = folder / chaos.built.index.part(path).location
    data = found.read_bytes()
    found.unlink()  # it may be a link to the honest one
    found.write_bytes(data)
    return found


def swapped(data: bytes) -> bytes:
    return data[PIECE_SIZE : 2 * PIECE_SIZE] + data[:PIECE_SIZE] + data[2 * PIECE_SIZE :]


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:5_000_000] + bytes([data[5_000_000] ^ 1]) + data[5_000_001:],
        lambda data: data[:-1] + bytes([data[-1] ^ 128]),
        lambda data: data[:-1],
        lambda data: data[:PIECE_SIZE],
        lambda data: b"",
        lambda data: data + b"\0",
        lambda data: data + bytes(PIECE_SIZE),
        swapped,
    ],
    ids=[
        "a-bit",
        "the-last-byte",
        "cut",
        "cut-after-a-piece",
        "empty",
        "a-byte-more",
        "a-piece-more",
        "swapped-shards",
    ],
)
def test_a_part_that_was_changed(chaos: Chaos, change: Callable[[bytes], bytes]) -> None:
    file = part_file(chaos.copied(), chaos)
    file.write_bytes(change(file.read_bytes()))
    chaos.refused(PieceInvalid)
    chaos.recovers()


def test_parts_in_each_others_place(chaos: Chaos) -> None:
    folder = chaos.copied()
    one, two = part_file(folder, chaos, "weights.bin"), part_file(folder, chaos, "more.bin")
    data = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(data)
    chaos.refused(PieceInvalid)
    chaos.recovers()


def test_a_part_that_is_missing(chaos: Chaos) -> None:
    part_file(chaos.copied(), chaos).unlink()
    chaos.refused(SourceMissing)
    chaos.recovers()


class Endless:
    """The honest repository; after the end of what matches `path` it goes on for ever."""

    def __init__(self, chaos: Chaos, path: str) -> None:
        self._honest = chaos.in_between()
        self._path = path
        self.sent = 0

    def stream(self, path: str, *, start: int = 0) -> Iterator[bytes]:
        yield from self._honest.stream(path, start=start)
        while self._path in path:
            self.sent += 65_536
            yield bytes(65_536)


@pytest.mark.parametrize(
    ("path", "error", "most"),
    [
        ("timestamp.json", MetadataInvalid, 200_000),
        ("2.snapshot", MetadataInvalid, 2_100_000),
        ("parts/", PieceInvalid, 1_000_000),
    ],
)
def test_data_without_end(unpublished: Chaos, path: str, error: type, most: int) -> None:
    unpublished.publisher.repository.refresh(now=unpublished.device.time)
    unpublished.publish()
    path = path.replace("2.snapshot", newest_snapshot(unpublished))
    endless = Endless(unpublished, path)
    unpublished.refused(error, endless)
    assert 0 < endless.sent < most
    unpublished.recovers()


def newest_snapshot(chaos: Chaos) -> str:
    return max(path.name for path in (chaos.publisher.served / "metadata").glob("*.snapshot.json"))


class Dripping(BaseHTTPRequestHandler):
    """Serves a folder; of what matches `drips`, `first` bytes at once and then one now and then."""

    folder: Path
    drips = "nothing"
    first = 0
    sent = 0

    def do_GET(self) -> None:
        path = self.folder / self.path.lstrip("/")
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        at = self.first if self.drips in self.path else len(data)
        try:
            self.wfile.write(data[:at])
            while at < len(data) and not self.server.over.is_set():
                self.wfile.write(data[at : at + 1])
                at += 1
                time.sleep(0.02)
        except OSError:
            pass  # the device had enough

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def dripping(chaos: Chaos, drips: str, first: int = 0) -> Iterator[HttpSource]:
    handler = type("Handler", (Dripping,), {"folder": chaos.publisher.served, "drips": drips, "first": first})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.over = threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield HttpSource(f"http://127.0.0.1:{server.server_port}", timeout_seconds=0.3)
    finally:
        server.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("drips", "first"), [("timestamp", 0), ("index.json", 100), ("parts/", 0), ("parts/", PIECE_SIZE + 5)]
)
def test_a_byte_now_and_then(chaos: Chaos, drips: str, first: int) -> None:
    """Bounded by time and rate, whatever came before."""
    with dripping(chaos, drips, first) as source:
        began = time.monotonic()
        chaos.refused(SourceTooSlow, source)
        assert time.monotonic() - began < 20
    chaos.recovers()


def test_a_server_that_accepts_and_says_nothing(chaos: Chaos) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        source = HttpSource(f"http://127.0.0.1:{listening.getsockname()[1]}", timeout_seconds=0.2)
        chaos.refused(SourceTooSlow, source)
    chaos.recovers()


def test_pieces_that_came_through_are_not_fetched_again(chaos: Chaos) -> None:
    folder = chaos.copied()
    file = part_file(folder, chaos)
    data = file.read_bytes()
    file.write_bytes(data[: PIECE_SIZE * 2] + bytes(100))
    chaos.refused(PieceInvalid)
    source = chaos.in_between()
    chaos.device.update()
    location = chaos.built.index.part("weights.bin").location
    assert source.read[location] == len(data) - 2 * PIECE_SIZE
    chaos.device.check_installed(chaos.built, chaos.files)
