"""HTTP/2 that no client would send, over a TLS connection that is let in: frames of any kind and size, floods, silence.

The server may end such a connection; it stays up, signs for others meanwhile and afterwards, and does not grow.
"""

import contextlib
import random
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.deployment_health import Health
from support.deployment_recovery import PROPERTY, fault_row
from support.fault_runs import LONG, SEED
from support.service import RunningService, running_service

CONNECTIONS = 400 if LONG else 24
FLOOD = 20_000 if LONG else 4_000
MEMORY_MIB = 384 if LONG else 64
"""What 220,000 calls that are begun and reset, thousands at once, leave in the allocator. Of each kept: 1.7 KiB."""
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST, SETTINGS, PING, CONTINUATION = 0, 1, 3, 4, 6, 9


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("frames") / "home") as running:
        with running.client() as admin:
            admin.keys.create("framed")
        yield running


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """RFC 9113, 4.1."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _literal(name: bytes, value: bytes) -> bytes:
    """HPACK: a literal field without indexing, lengths under 127 (RFC 7541, 6.2.2)."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def request_headers(path: bytes) -> bytes:
    fields = ((b":method", b"POST"), (b":scheme", b"https"), (b":path", path), (b":authority", b"localhost"))
    rest = ((b"te", b"trailers"), (b"content-type", b"application/grpc"))
    return b"".join(_literal(*each) for each in (*fields, *rest))


SIGN = request_headers(b"/hallmark.v1.SigningService/Sign")


def _garbage(randomness: random.Random) -> bytes:
    return randomness.randbytes(randomness.choice((1, 9, 100, 20_000)))


def _random_frames(randomness: random.Random) -> bytes:
    return b"".join(
        frame(
            randomness.randrange(16),
            randomness.randrange(256),
            randomness.choice((0, 1, 2, 3, 2**31 - 1)),
            randomness.randbytes(randomness.choice((0, 1, 4, 6, 8, 100, 16_384))),
        )
        for _ in range(randomness.randint(1, 60))
    )


def _mutated_call(randomness: random.Random) -> bytes:
    message = randomness.randbytes(40)
    call = frame(SETTINGS, 0, 0) + frame(HEADERS, 4, 1, SIGN)
    call += frame(DATA, 1, 1, b"\x00" + struct.pack(">I", len(message)) + message)
    changed = bytearray(call)
    for _ in range(randomness.randint(1, 6)):
        changed[randomness.randrange(len(changed))] = randomness.randrange(256)
    return bytes(changed)


def _settings_flood(_: random.Random) -> bytes:
    return frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65_535)) * FLOOD


def _ping_flood(_: random.Random) -> bytes:
    return frame(PING, 0, 0, b"12345678") * FLOOD


def _reset_flood(_: random.Random) -> bytes:
    """CVE-2023-44487: streams that are opened and reset at once."""
    streams = range(1, FLOOD // 2, 2)
    return b"".join(frame(HEADERS, 4, each, SIGN) + frame(RST, 0, each, struct.pack(">I", 8)) for each in streams)


def _endless_headers(randomness: random.Random) -> bytes:
    """CVE-2024-27316 and its like: a header block that does not end."""
    field = _literal(b"x-filler", randomness.randbytes(60).hex().encode()[:120])
    return frame(HEADERS, 0, 1, SIGN) + frame(CONTINUATION, 0, 1, field * 100) * (FLOOD // 50)


def _huge_message(_: random.Random) -> bytes:
    """Says that 4 GiB follow."""
    return frame(HEADERS, 4, 1, SIGN) + frame(DATA, 0, 1, b"\x00\xff\xff\xff\xff" + b"x" * 10_000)


def _half_a_call(_: random.Random) -> bytes:
    return frame(HEADERS, 4, 1, SIGN)


KINDS: tuple[Callable[[random.Random], bytes], ...] = (
    _garbage,
    _random_frames,
    _mutated_call,
    _settings_flood,
    _ping_flood,
    _reset_flood,
    _endless_headers,
    _huge_message,
    _half_a_call,
)


def test_frames_that_no_client_sends(server: RunningService, record_property) -> None:
    randomness, health = random.Random(SEED), Health(server, "framed")
    with contextlib.ExitStack() as silent:
        for _ in range(16):
            silent.enter_context(_connected(server)).sendall(PREFACE)  # and never a word more
        for number in range(CONNECTIONS):
            attack = KINDS[number % len(KINDS)]
            with _connected(server) as connection:
                preface = b"" if attack is _garbage and randomness.random() < 0.5 else PREFACE + frame(SETTINGS, 0, 0)
                _send(connection, preface + attack(randomness))
        meanwhile = health.check_signing()
    seconds, grown = health.check(memory_mib=MEMORY_MIB)
    row = fault_row(
        "HTTP/2 that no client sends: it signs", calls=CONNECTIONS, lost=None, recovery=[meanwhile, seconds]
    )
    record_property(PROPERTY, row)
    record_property(
        "fault summary", f"{CONNECTIONS} hostile connections of {len(KINDS)} kinds, {grown} MiB more memory"
    )


def _connected(service: RunningService, patience_seconds: float = 10) -> ssl.SSLSocket:
    """As a backend whose software is out of its mind. A server that has just ended itself is there again soon."""
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            return _connect(service)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _connect(service: RunningService) -> ssl.SSLSocket:
    folder: Path = service.home / "clients" / "backend"
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    context.set_alpn_protocols(["h2"])
    port = int(str(service.facts["address"]).rpartition(":")[2])
    plain = socket.create_connection(("127.0.0.1", port), timeout=10)
    return context.wrap_socket(plain, server_hostname="localhost")


def _send(connection: ssl.SSLSocket, data: bytes) -> None:
    """All of it, unless the server ends the connection first; then what it answers, for a moment."""
    connection.settimeout(2)
    with contextlib.suppress(OSError, ssl.SSLError):
        connection.sendall(data)
        connection.settimeout(0.1)
        for _ in range(20):
            if not connection.recv(1 << 16):
                return


def test_a_path_that_is_no_text_does_not_end_the_server(server: RunningService, record_property) -> None:
    """Grpcio ends its server over it: another one takes its place at once, at the same port."""
    health = Health(server, "framed")
    seconds = []
    for _ in range(3):
        with _connected(server) as connection:
            call = frame(SETTINGS, 0, 0) + frame(HEADERS, 5, 1, request_headers(b"/hallmark.v1.S\xd2gningService/Sign"))
            _send(connection, PREFACE + call)
        seconds.append(health.check_signing())
    health.check()
    record_property(PROPERTY, fault_row("a path that is not UTF-8: it signs", calls=3, lost=None, recovery=seconds))
