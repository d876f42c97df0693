"""HTTP/2 by hand (RFC 9113, RFC 7541): gRPC calls whose message never comes to its end, or whose answer nobody takes."""

import contextlib
import socket
import ssl
import struct
from collections.abc import Iterator
from pathlib import Path

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS = 0, 1, 4
REFUSALS = {3, 7}
"""RST_STREAM and GOAWAY."""
_END_STREAM, _END_HEADERS = 1, 4
_NO_WINDOW = struct.pack(">HI", 4, 0)
"""SETTINGS_INITIAL_WINDOW_SIZE (RFC 9113, section 6.5.2): no data may come back."""


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """RFC 9113, section 4.1."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _headers(method: str, authority: str) -> bytes:
    """Literal fields without indexing, no Huffman code (RFC 7541, section 6.2.2)."""
    fields = {
        ":method": "POST",
        ":scheme": "https",
        ":path": method,
        ":authority": authority,
        "content-type": "application/grpc",
        "te": "trailers",
    }
    texts = ((name.encode(), value.encode()) for name, value in fields.items())
    return b"".join(b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value for name, value in texts)


@contextlib.contextmanager
def half_messages(address: str, folder: Path, *, method: str, calls: int) -> Iterator[ssl.SSLSocket]:
    """One connection with so many calls: of each message of 1000 bytes, ten have come."""
    with _connected(address, folder, settings=b"") as wire:
        for number in range(calls):
            stream = 2 * number + 1
            wire.sendall(
                _frame(_HEADERS, _END_HEADERS, stream, _headers(method, address))
                + _frame(_DATA, 0, stream, b"\0" + struct.pack(">I", 1000) + b"\x0a" * 10)
            )
        yield wire


@contextlib.contextmanager
def unread_answers(address: str, folder: Path, *, method: str, calls: int) -> Iterator[ssl.SSLSocket]:
    """One connection with so many calls with an empty message, that never lets an answer through."""
    with _connected(address, folder, settings=_NO_WINDOW) as wire:
        for number in range(calls):
            stream = 2 * number + 1
            wire.sendall(
                _frame(_HEADERS, _END_HEADERS, stream, _headers(method, address))
                + _frame(_DATA, _END_STREAM, stream, b"\0" + struct.pack(">I", 0))
            )
        yield wire


@contextlib.contextmanager
def _connected(address: str, folder: Path, *, settings: bytes) -> Iterator[ssl.SSLSocket]:
    host, _, port = address.rpartition(":")
    tls = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    tls.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    tls.set_alpn_protocols(["h2"])
    with socket.create_connection((host, int(port)), 10) as plain, tls.wrap_socket(plain, server_hostname=host) as wire:
        wire.sendall(_PREFACE + _frame(_SETTINGS, 0, 0, settings))
        yield wire


def answers(wire: ssl.SSLSocket, *, seconds: float = 0.3) -> set[int]:
    """The kinds of frames that came back until it was silent for so long."""
    wire.settimeout(seconds)
    found, data = set(), b""
    with contextlib.suppress(TimeoutError):
        while part := wire.recv(65536):
            data += part
    while len(data) >= 9:
        found.add(data[3])
        data = data[9 + int.from_bytes(data[:3], "big") :]
    return found
