"""A witness on a socket, for tests and trials: it remembers in memory only, so it is no witness to rely on."""

import re
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.witness import MAX_REQUEST_BYTES
from hallmark_tlog.witness_server import Reply, WitnessServer

_LENGTH = re.compile(r"[0-9]{1,9}")
_TIMEOUT_SECONDS = 10


class WitnessHttpServer(ThreadingHTTPServer):
    """Bound to `address` (port 0 chooses one); answers POST /add-checkpoint while `serve_forever` runs."""

    def __init__(self, witness: WitnessServer, address: tuple[str, int], *, clock: Callable[[], float]) -> None:
        """`clock` gives POSIX seconds, such as `time.time`. Raises OSError when the address is taken."""
        super().__init__(address, _Handler)
        self._witness = witness
        self._clock = clock
        self._latest: dict[str, Checkpoint] = {}
        self._lock = Lock()

    def answer(self, body: bytes) -> Reply:
        with self._lock:
            reply = self._witness.answer(body, self._latest.get, now=int(self._clock()))
            if reply.record is not None:
                self._latest[reply.record.origin] = reply.record
            return reply


class _Handler(BaseHTTPRequestHandler):
    server: WitnessHttpServer
    protocol_version = "HTTP/1.1"
    timeout = _TIMEOUT_SECONDS

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not _LENGTH.fullmatch(length) or int(length) > MAX_REQUEST_BYTES:
            self.close_connection = True
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        body = self.rfile.read(int(length))
        if self.path != "/add-checkpoint":
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        reply = self.server.answer(body)
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, *args: object) -> None:
        """Say nothing: what a witness logs is its operator's choice."""
