import contextlib
import gzip
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hallmark_tlog.audit import audit
from hallmark_tlog.errors import FetchError, FormatError, MissingResource
from hallmark_tlog.fetch import folder_fetcher, http_fetcher
from unit.hallmark_tlog.virtual_log import LOG_VKEYS, ORIGIN, VirtualLog

PATH = "tile/0/000.p/2"


class Answers:
    """What the server says to the next request: status, headers, body. Bodies may be shorter than announced."""

    def __init__(self) -> None:
        self.log = VirtualLog.of_size(300)
        self.status = 200
        self.headers: dict[str, str] = {}
        self.body: bytes | None = None
        self.length: int | None = None
        self.seen: list[tuple[str, str]] = []


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def prefix(answers: Answers, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers.seen.append((self.path, self.headers["Accept-Encoding"]))
            path = self.path.removeprefix("/log/")
            body = answers.log.files.get(path) if answers.body is None else answers.body
            self.send_response(404 if body is None else answers.status)
            for name, value in answers.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body or b"") if answers.length is None else answers.length))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/log"
    server.shutdown()
    server.server_close()
    thread.join()


def write(log: VirtualLog, folder: Path) -> None:
    for path, data in log.files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def test_an_audit_from_a_folder(tmp_path: Path) -> None:
    write(VirtualLog.of_size(300), tmp_path)
    assert audit(folder_fetcher(tmp_path), LOG_VKEYS, origin=ORIGIN).entries_verified == 300


def test_an_audit_over_http(answers: Answers, prefix: str) -> None:
    assert audit(http_fetcher(prefix + "/"), LOG_VKEYS, origin=ORIGIN).entries_verified == 300
    assert answers.seen[0] == ("/log/checkpoint", "gzip, identity")


def test_a_folder_without_the_file(tmp_path: Path) -> None:
    (tmp_path / "tile").write_bytes(b"a file where a folder belongs")
    for path in ("checkpoint", PATH):
        with pytest.raises(MissingResource) as caught:
            folder_fetcher(tmp_path)(path)
        assert caught.value.path == path


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir()
    with pytest.raises(FetchError):
        folder_fetcher(tmp_path)("checkpoint")


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    (tmp_path / "tile/0/000.p").mkdir(parents=True)
    (tmp_path / PATH).write_bytes(bytes(65))
    with pytest.raises(FetchError, match="64 bytes"):
        folder_fetcher(tmp_path)(PATH)


@pytest.mark.parametrize("path", ["../secret", "/etc/hosts", "tile/0/../../x", "", "checkpoint/../x", "tile/0/1"])
def test_other_paths_never_leave(tmp_path: Path, path: str) -> None:
    for fetch in (folder_fetcher(tmp_path), http_fetcher("http://127.0.0.1:9/")):
        with pytest.raises(FormatError):
            fetch(path)


@pytest.mark.parametrize("prefix", ["", "log.example", "file:///etc", "ftp://log.example/", "http://", "http://[x/"])
def test_only_http_prefixes(prefix: str) -> None:
    with pytest.raises(FetchError):
        http_fetcher(prefix)


def test_a_gzip_body(answers: Answers, prefix: str) -> None:
    answers.headers = {"Content-Encoding": "gzip"}
    answers.body = gzip.compress(bytes(64), mtime=0)
    assert http_fetcher(prefix)(PATH) == bytes(64)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(bytes(65), mtime=0)),
        ("gzip", gzip.compress(bytes(100_000), mtime=0)[:64]),
        ("gzip", gzip.compress(bytes(64), mtime=0)[:-1]),
        ("gzip", gzip.compress(bytes(64), mtime=0) + b"x"),
        ("gzip", bytes(64)),
        ("br", bytes(64)),
        ("identity", bytes(65)),
    ],
)
def test_bodies_that_are_refused(answers: Answers, prefix: str, encoding: str, body: bytes) -> None:
    answers.headers = {"Content-Encoding": encoding}
    answers.body = body
    with pytest.raises(FetchError):
        http_fetcher(prefix)(PATH)


@pytest.mark.parametrize("status", [404, 410])
def test_a_missing_file(answers: Answers, prefix: str, status: int) -> None:
    answers.status, answers.body = status, b"no"
    with pytest.raises(MissingResource):
        http_fetcher(prefix)(PATH)


@pytest.mark.parametrize("status", [204, 206, 301, 307, 403, 429, 500])
def test_other_answers(answers: Answers, prefix: str, status: int) -> None:
    answers.status, answers.body = status, b""
    answers.headers = {"Location": prefix + "/checkpoint"}
    with pytest.raises(FetchError, match=str(status)):
        http_fetcher(prefix)(PATH)
    assert len(answers.seen) == 1


def test_a_body_that_is_cut_off(answers: Answers, prefix: str) -> None:
    answers.body, answers.length = bytes(32), 64
    with pytest.raises(FetchError, match="too early"):
        http_fetcher(prefix)(PATH)


def test_a_server_that_is_too_slow(answers: Answers, prefix: str) -> None:
    answers.body = bytes(64)
    clock = iter([0.0, 61.0])
    with pytest.raises(FetchError, match="slowly"):
        http_fetcher(prefix, monotonic=lambda: next(clock))(PATH)


@pytest.mark.parametrize(
    "begin",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nX: ", id="headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", id="body"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", id="body of a known length"),
    ],
)
def test_answers_that_never_end(begin: bytes) -> None:
    """Each byte comes in time, all of them would take days."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(begin)
                for _ in range(250):
                    connection.sendall(b"x")
                    time.sleep(0.02)

        thread = threading.Thread(target=drip)
        thread.start()
        fetch = http_fetcher(f"http://127.0.0.1:{server.getsockname()[1]}", total_seconds=0.1)
        began = time.monotonic()
        with pytest.raises(FetchError):
            fetch("checkpoint")
        assert time.monotonic() - began < 4
        thread.join()


def test_no_server() -> None:
    with pytest.raises(FetchError, match="cannot be read"):
        http_fetcher("http://127.0.0.1:9", timeout_seconds=1.0)(PATH)
