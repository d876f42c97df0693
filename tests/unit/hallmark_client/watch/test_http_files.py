import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from hallmark_client.errors import InvalidArgument, NotFound, Unavailable
from hallmark_client.watch.files_only import files_client
from hallmark_client.watch.http_files import http_files


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        match self.path:
            case "/base/status/acme/manifest.json":
                self._answer(200, b"{}")
            case "/base/status/acme/moved":
                self.send_response(302)
                self.send_header("Location", "/base/status/acme/manifest.json")
                self.end_headers()
            case "/base/status/acme/broken":
                self._answer(500, b"")
            case _:
                self._answer(404, b"")

    def _answer(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Quiet."""


@pytest.fixture
def url():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/base/"
    server.shutdown()
    server.server_close()
    thread.join()


def test_files_are_below_the_tenant(url) -> None:
    assert http_files(url, "acme")("manifest.json", 10) == b"{}"


@pytest.mark.parametrize(
    ("path", "size", "kind"),
    [
        ("none", 10, NotFound),
        ("broken", 10, Unavailable),
        ("moved", 10, Unavailable),
        ("manifest.json", 1, Unavailable),
    ],
)
def test_what_is_no_such_file_is_refused(url, path, size, kind) -> None:
    with pytest.raises(kind):
        http_files(url, "acme")(path, size)


def test_nobody_there_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        http_files("http://127.0.0.1:9", "acme")("manifest.json", 10)


@pytest.mark.parametrize("url", ["file:///etc", "ftp://x", "manifest.json", "http://"])
def test_only_http_and_https(url) -> None:
    with pytest.raises(InvalidArgument):
        http_files(url, "acme")


def test_a_client_of_files_has_no_api() -> None:
    with files_client("acme") as client, pytest.raises(Unavailable) as refused:
        client._calls.transport.unary(__import__("hallmark_client.rpc").rpc.GET_KEY, None, 1)
    assert refused.value.reason == "FILES_ONLY"
