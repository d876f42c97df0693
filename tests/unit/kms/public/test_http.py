"""The read plane over real HTTP."""

import asyncio
import contextlib
import gzip
import hashlib
import http.client
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from kms.public.http import PublicServer, public_app

TILE = bytes(range(256)) * 4
BUNDLE = b"\0\x05hello" * 100


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    folder = tmp_path_factory.mktemp("served")
    root = folder / "public"
    for path, content in {
        "log/checkpoint": b"note\n",
        "log/verifier-keys": b"vkey\n",
        "log/history/7": b"note\n",
        "log/history.json": b"{}",
        "log/tile/0/x001/000.p/7": TILE,
        "log/tile/entries/000": BUNDLE,
        "status.json": b"{}",
        "trust/default/bundle-7.json": b"{}",
        "trust/default/latest.json": b"{}",
        ".writing/1-2-3": b"half",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    (folder / "secret").write_bytes(b"secret")
    (root / "link").symlink_to(folder / "secret")
    server = PublicServer(public_app(root))
    yield await server.start()
    await server.close()


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()


async def request(url: str, path: str, method: str = "GET", **headers: str) -> Answer:
    def ask() -> Answer:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)
        try:
            connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    return await asyncio.to_thread(ask)


async def test_a_checkpoint_is_text_and_never_stored(url: str) -> None:
    answer = await request(url, "/log/checkpoint")
    assert (answer.status, answer.body) == (200, b"note\n")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_a_tile_is_bytes_and_immutable(url: str) -> None:
    answer = await request(url, "/log/tile/0/x001/000.p/7", accept_encoding="gzip")
    assert (answer.status, answer.body) == (200, TILE)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["cache-control"] == "public, max-age=604800, immutable"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["etag"] == f'"{hashlib.sha256(TILE).hexdigest()}"'
    assert "content-encoding" not in answer.headers, "hashes do not shrink"


async def test_a_trust_bundle_is_immutable_and_the_latest_is_asked_about_again(url: str) -> None:
    answer = await request(url, "/trust/default/bundle-7.json")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.headers["cache-control"] == "public, max-age=604800, immutable"
    assert (await request(url, "/trust/default/latest.json")).headers["cache-control"] == "no-cache"


async def test_a_bundle_shrinks_for_whoever_takes_gzip(url: str) -> None:
    plain = await request(url, "/log/tile/entries/000")
    small = await request(url, "/log/tile/entries/000", accept_encoding="br, gzip")
    refused = await request(url, "/log/tile/entries/000", accept_encoding="gzip;q=0")
    assert plain.body == refused.body == gzip.decompress(small.body) == BUNDLE
    assert small.headers["content-encoding"] == "gzip"
    assert len(small.body) < len(BUNDLE)
    assert plain.headers["etag"] != small.headers["etag"]
    assert plain.headers["vary"] == small.headers["vary"] == "accept-encoding"
    assert small.headers["cache-control"] == "public, max-age=604800, immutable"


async def test_head_answers_without_a_body(url: str) -> None:
    answer = await request(url, "/log/tile/0/x001/000.p/7", "HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-length"] == str(len(TILE))


@pytest.mark.parametrize("path", ["/log/checkpoint", "/log/tile/entries/000", "/status.json"])
async def test_what_a_cache_has_already_is_not_sent_again(url: str, path: str) -> None:
    for encoding in ("identity", "gzip"):
        etag = (await request(url, path, accept_encoding=encoding)).headers["etag"]
        again = await request(url, path, accept_encoding=encoding, if_none_match=f'"other", {etag}')
        assert (again.status, again.body) == (304, b"")
        assert again.headers["etag"] == etag
    assert (await request(url, path, if_none_match="*")).status == 304, "RFC 9110, section 13.1.2"
    assert (await request(url, path, "HEAD", if_none_match="*")).status == 304


async def test_a_kept_checkpoint_is_immutable_and_their_list_is_not(url: str) -> None:
    note = await request(url, "/log/history/7")
    assert (note.status, note.body) == (200, b"note\n")
    assert note.headers["content-type"] == "text/plain; charset=utf-8"
    assert note.headers["cache-control"] == "public, max-age=604800, immutable"
    listed = await request(url, "/log/history.json")
    assert (listed.headers["content-type"], listed.headers["cache-control"]) == ("application/json", "no-cache")


async def test_other_files_are_asked_about_again(url: str) -> None:
    keys, status = await request(url, "/log/verifier-keys"), await request(url, "/status.json")
    assert keys.headers["content-type"] == "text/plain; charset=utf-8"
    assert status.headers["content-type"] == "application/json"
    assert keys.headers["cache-control"] == status.headers["cache-control"] == "no-cache"


async def test_the_auditors_page_may_load_nothing_but_its_own_files(url: str) -> None:
    page = await request(url, "/")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.body == (await request(url, "/index.html")).body
    policy = dict(rule.strip().split(" ", 1) for rule in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "connect-src", "img-src")} == {"'self'"}
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert page.headers["cache-control"] == "no-cache", "a mended page is seen at once"
    again = await request(url, "/", if_none_match=page.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert "content-security-policy" not in (await request(url, "/log/checkpoint")).headers


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/page/main.js", "text/javascript; charset=utf-8"),
        ("/page/tlog/merkle.js", "text/javascript; charset=utf-8"),
        ("/page/style.css", "text/css; charset=utf-8"),
        ("/page/icon.svg", "image/svg+xml"),
    ],
)
async def test_files_of_the_page_have_their_types(url: str, path: str, media_type: str) -> None:
    answer = await request(url, path)
    assert (answer.status, answer.headers["content-type"]) == (200, media_type)
    assert answer.headers["x-content-type-options"] == "nosniff"


NOT_THERE = [
    "/log", "/page", "/page/", "/page/nothing.js", "/page/../secret", "/page/index.html", "/log/", "/log/tile/0/", "/log/tile/0/999", "/nothing", "/.writing/1-2-3", "/link",
    "/../secret", "/log/../../secret", "/%2e%2e/secret", "/log/%2e%2e/%2e%2e/secret", "/..%2fsecret", "//etc/passwd",
    "/log/checkpoint/", "/log/checkpoint%00", "/log\\checkpoint", "/" + "a" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("path", NOT_THERE)
async def test_everything_else_is_not_there_and_not_cached(url: str, path: str) -> None:
    answer = await request(url, path)
    assert answer.status == 404
    assert b"secret" not in answer.body
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_it_is_read_only(url: str, method: str) -> None:
    assert (await request(url, "/log/checkpoint", method)).status == 405


async def test_it_leaves_signal_handlers_alone_and_stops_cleanly(tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    server = PublicServer(public_app(tmp_path), port=0)
    url = await server.start()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert (await request(url, "/x")).status == 404
    await server.close()
    await server.close()
    with pytest.raises(ConnectionRefusedError):
        await request(url, "/x")


async def test_an_open_connection_does_not_hold_up_the_end(tmp_path: Path) -> None:
    server = PublicServer(public_app(tmp_path))
    url = await server.start()
    _reader, writer = await asyncio.open_connection(*urlsplit(url).netloc.split(":"))
    async with asyncio.timeout(5):
        await server.close()
    writer.close()


async def test_a_port_that_is_taken_is_said_at_start(tmp_path: Path) -> None:
    first = PublicServer(public_app(tmp_path))
    url = await first.start()
    with pytest.raises(OSError, match="in use"):
        await PublicServer(public_app(tmp_path), port=urlsplit(url).port or 0).start()
    await first.close()


async def test_ipv6_has_brackets_in_its_url(tmp_path: Path) -> None:
    server = PublicServer(public_app(tmp_path), host="::1")
    try:
        url = await server.start()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    assert url.startswith("http://[::1]:")
    assert (await request(url, "/x")).status == 404
    await server.close()


@contextlib.asynccontextmanager
async def _half_a_request(url: str) -> AsyncIterator[asyncio.StreamReader]:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(b"GET /log/checkpoint HTTP/1.1\r\nHost: x\r\n")
        await writer.drain()
        yield reader
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_a_request_that_never_ends_is_cut_off(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kms.public.http.REQUEST_SECONDS", 0.2)
    async with _half_a_request(url) as reader:
        assert await asyncio.wait_for(reader.read(), 5) == b""


async def test_an_idle_crowd_keeps_nobody_out(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kms.public.http.CONNECTIONS_MAX", 3)
    async with contextlib.AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(_half_a_request(url)) for _ in range(5)]
        for reader in readers[:2]:
            with contextlib.suppress(ConnectionResetError):
                assert await asyncio.wait_for(reader.read(), 5) == b"", "the oldest made room"
        for _ in range(5):
            assert (await request(url, "/log/checkpoint")).status == 200
        assert not readers[-1].at_eof()


async def test_a_reader_that_does_not_take_its_answer_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kms.public.http.ANSWER_SECONDS", 0.3)
    (tmp_path / "tile/entries").mkdir(parents=True)
    (tmp_path / "tile/entries/000").write_bytes(bytes(16_000_000))
    server = PublicServer(public_app(tmp_path))
    parts = urlsplit(await server.start())
    with socket.create_connection((parts.hostname or "", parts.port or 0)) as reader:
        reader.sendall(b"GET /tile/entries/000 HTTP/1.1\r\nHost: x\r\n\r\n")
        reader.settimeout(5)
        got = len(await asyncio.to_thread(reader.recv, 1))  # it has begun
        await asyncio.sleep(1)  # and nobody reads on
        with contextlib.suppress(ConnectionResetError):
            while data := await asyncio.to_thread(reader.recv, 1 << 20):
                got += len(data)
    assert 0 < got < 16_000_000
    await server.close()


async def test_a_busy_connection_outlives_one_answer(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kms.public.http.ANSWER_SECONDS", 0.4)
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)
    for _ in range(4):
        await asyncio.to_thread(connection.request, "GET", "/log/tile/0/x001/000.p/7")
        answer = await asyncio.to_thread(connection.getresponse)
        assert answer.read() == TILE
        await asyncio.sleep(0.2)
    assert connection.sock is not None, "it was one connection all the time"
    connection.close()


async def test_nobody_can_fill_the_services_log(url: str, caplog: pytest.LogCaptureFixture) -> None:
    parts = urlsplit(url)
    for sent in (
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ):
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(sent)
        assert (await reader.readline()).startswith(b"HTTP/1.1 ")
        writer.close()
        await writer.wait_closed()
    assert caplog.records == []
