"""Witnesses on loopback that really cosign, and that misbehave when told to."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.note import parse_note
from hallmark_tlog.vkey import KeyType, VerifierKey
from hallmark_tlog.witness import SIZE_TYPE, parse_add_checkpoint
from hallmark_tlog.witness_server import CosigningKey, Reply, WitnessServer

Send = Callable[[BaseHTTPRequestHandler, Reply], None]
"""How an answer goes out. `reply` is what an honest witness says."""

_TEXT = "text/plain; charset=utf-8"


def cosigning_key(name: str, kind: KeyType) -> CosigningKey:
    if kind == KeyType.ML_DSA_44:
        ml_dsa = MLDSA44PrivateKey.generate()
        return CosigningKey(VerifierKey(name, kind, ml_dsa.public_key().public_bytes_raw()), ml_dsa.sign)
    ed25519 = Ed25519PrivateKey.generate()
    public = ed25519.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return CosigningKey(VerifierKey(name, kind, public), ed25519.sign)


def send(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    handler.send_response(reply.status)
    handler.send_header("Content-Type", reply.content_type)
    handler.send_header("Content-Length", str(len(reply.body)))
    handler.end_headers()
    handler.wfile.write(reply.body)


class LoopbackWitness:
    """Its memory survives `stop` and `start`, its port too. `send` may be replaced by something less honest."""

    def __init__(self, name: str, *kinds: KeyType, monitoring: bool = True) -> None:
        self.name = name
        self.keys = tuple(
            cosigning_key(f"witness.example/{name}", kind) for kind in kinds or (KeyType.ED25519_COSIGNATURE,)
        )
        self.trusted: dict[str, list[VerifierKey]] = {}
        self.latest: dict[str, Checkpoint] = {}
        self.notes: dict[str, bytes] = {}
        self.bodies: list[bytes] = []
        self.times: list[float] = []
        self.statuses: list[int] = []
        self.connections = 0
        self.send: Send = send
        self.monitoring = monitoring
        self.clock: Callable[[], float] = time.time
        self.tls: ssl.SSLContext | None = None
        self._lock = Lock()
        self._server: ThreadingHTTPServer | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"{'http' if self.tls is None else 'https'}://127.0.0.1:{self._port}/w"

    @property
    def policy_lines(self) -> str:
        """Each key is a witness of the policy."""
        return "".join(f"witness {self.name}-{n} {key.vkey} {self.url}\n" for n, key in enumerate(self.keys))

    def trusts(self, vkeys: list[VerifierKey]) -> None:
        self.trusted[vkeys[0].name] = vkeys

    def start(self) -> None:
        self._server = _Server(("127.0.0.1", self._port), self._handler())
        self._port = self._server.server_address[1]
        if self.tls is not None:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True)
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.drop_connections()
            self._server = None

    def _answer(self, body: bytes) -> Reply:
        with self._lock:
            self.bodies.append(body)
            self.times.append(time.monotonic())
            reply = WitnessServer(self.keys, self.trusted).answer(body, self.latest.get, now=int(self.clock()))
            self.statuses.append(int(reply.status))
            if reply.record is not None:
                self.latest[reply.record.origin] = reply.record
                self.notes[reply.record.origin] = parse_add_checkpoint(body).checkpoint + reply.body
            return reply

    def _shown(self, path: str) -> Reply:
        for origin, note in self.notes.items():
            if self.monitoring and path == f"/w/{sha256(origin.encode()).hexdigest()}/checkpoint":
                return Reply(HTTPStatus.OK, _TEXT, note)
        return Reply(HTTPStatus.NOT_FOUND, _TEXT, b"unknown\n")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        witness = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 10

            def setup(self) -> None:
                super().setup()
                witness.connections += 1

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.path == "/w/add-checkpoint"
                witness.send(self, witness._answer(body))

            def do_GET(self) -> None:
                send(self, witness._shown(self.path))

            def log_message(self, *_: object) -> None:
                pass

        return Handler


class _Server(ThreadingHTTPServer):
    """Ends connections that are kept, when it stops, as a process that dies does."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, *arguments: object) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*arguments)

    def process_request(self, request, client_address) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def drop_connections(self) -> None:
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def handle_error(self, *_: object) -> None:
        """A client that went away is what some tests are about."""


@contextmanager
def running(*witnesses: LoopbackWitness) -> Iterator[None]:
    for witness in witnesses:
        witness.start()
    try:
        yield
    finally:
        for witness in witnesses:
            witness.stop()


def policy_text(*witnesses: LoopbackWitness, quorum: int) -> str:
    """The quorum counts witnesses, each by its first key. They must have been started once: URLs have ports."""
    lines = "".join(witness.policy_lines for witness in witnesses)
    members = " ".join(f"{witness.name}-0" for witness in witnesses)
    return f"{lines}group all-of-them {quorum} {members}\nquorum all-of-them\n"


# Less honest ways to answer


def spoilt(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    """A line with a signature that does not verify."""
    if reply.status == HTTPStatus.OK:
        line = parse_note(b"text\n\n" + reply.body).signatures[0]
        bad = type(line)(line.name, line.key_id, line.blob[:-1] + bytes([line.blob[-1] ^ 1]))
        reply = Reply(reply.status, reply.content_type, f"{bad}\n".encode())
    send(handler, reply)


def huge(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    send(handler, Reply(HTTPStatus.OK, _TEXT, reply.body + b"x" * 3_000_000))


def untyped_conflict(handler: BaseHTTPRequestHandler, _: Reply) -> None:
    send(handler, Reply(HTTPStatus.CONFLICT, "text/html", b"7\n"))


def busy(handler: BaseHTTPRequestHandler, _: Reply) -> None:
    send(handler, Reply(HTTPStatus.INTERNAL_SERVER_ERROR, _TEXT, b"later\n"))


def claims(size: int) -> Send:
    """It says that it has cosigned this size."""
    return lambda handler, _: send(handler, Reply(HTTPStatus.CONFLICT, SIZE_TYPE, f"{size}\n".encode()))


def redirects(url: str) -> Send:
    def answer(handler: BaseHTTPRequestHandler, _: Reply) -> None:
        handler.send_response(HTTPStatus.TEMPORARY_REDIRECT)
        handler.send_header("Location", url)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def waits(seconds: float) -> Send:
    def answer(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        time.sleep(seconds)
        send(handler, reply)

    return answer


def drips(handler: BaseHTTPRequestHandler, _: Reply) -> None:
    """A header that never ends, a byte at a time, each well within any timeout of one read."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    for _ in range(200):
        handler.wfile.write(b"z")
        handler.wfile.flush()
        time.sleep(0.05)
    handler.close_connection = True
