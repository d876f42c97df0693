"""A gRPC client whose TLS knows nothing of ML-KEM: what an old client is to the service, frame by frame.

gRPC's own Python client always offers X25519MLKEM768. This one offers P-256 and nothing else, and speaks the least
HTTP/2 (RFC 9113) and HPACK (RFC 7541) that a gRPC call takes. In its settings it takes the server's header table away,
and asks for binary trailers as they are: no dynamic table and no Huffman code come back.
"""

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self, TypeVar
from urllib.parse import unquote

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY, _WINDOW, _CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
_END_STREAM, _ACK, _END_HEADERS = 1, 1, 4
_HEADER_TABLE_SIZE, _INITIAL_WINDOW_SIZE, _TRUE_BINARY = 1, 4, 0xFE03  # the last is gRPC's own
_WINDOW_MAX: Final = 2**31 - 1
_WINDOW_AT_FIRST: Final = 65_535
_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}

Detail = TypeVar("Detail", bound=Message)


@dataclass(frozen=True)
class Ending:
    """How a call ended."""

    code: grpc.StatusCode
    message: str
    status: status_pb2.Status

    @property
    def reason(self) -> str:
        return self.detail(error_details_pb2.ErrorInfo()).reason

    def detail(self, kind: Detail) -> Detail:
        """The detail of that kind; empty when there is none."""
        for packed in self.status.details:
            if packed.Is(kind.DESCRIPTOR):
                packed.Unpack(kind)
        return kind


class ClassicalClient:
    """One connection, one call at a time. `folder`: of a client, with ca.pem, cert.pem and key.pem."""

    def __init__(self, address: str, folder: Path, *, timeout_seconds: float = 20) -> None:
        host, _, port = address.rpartition(":")
        context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.set_alpn_protocols(["h2"])
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        context.set_ecdh_curve("prime256v1")  # it is the only group offered, in TLS 1.3 too
        raw = socket.create_connection((host.strip("[]"), int(port)), timeout=timeout_seconds)
        self._socket = context.wrap_socket(raw, server_hostname="localhost")
        self._stream = -1
        self.ending: Ending | None = None
        settings = {_HEADER_TABLE_SIZE: 0, _INITIAL_WINDOW_SIZE: _WINDOW_MAX, _TRUE_BINARY: 1}
        body = b"".join(key.to_bytes(2, "big") + value.to_bytes(4, "big") for key, value in settings.items())
        grown = (_WINDOW_MAX - _WINDOW_AT_FIRST).to_bytes(4, "big")
        self._socket.sendall(_PREFACE + _frame(_SETTINGS, 0, 0, body) + _frame(_WINDOW, 0, 0, grown))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def call(self, method: str, request: Message) -> tuple[list[bytes], Ending]:
        """To its end. `method`: /package.Service/Name. Gives the answers, serialised, and how it ended."""
        answers = list(self.stream(method, request))
        assert self.ending is not None
        return answers, self.ending

    def stream(self, method: str, request: Message) -> Iterator[bytes]:
        """Answers as they come; `ending` when there are no more. At most 64 KB go out."""
        self._stream, self.ending = self._stream + 2, None
        body = request.SerializeToString()
        message = b"\x00" + len(body).to_bytes(4, "big") + body
        frames = [_frame(_HEADERS, _END_HEADERS, self._stream, _request_headers(method))]
        chunks = [message[start : start + 16_000] for start in range(0, len(message), 16_000)]
        frames += [_frame(_DATA, _END_STREAM if chunk is chunks[-1] else 0, self._stream, chunk) for chunk in chunks]
        self._socket.sendall(b"".join(frames))
        return self._answers()

    def _answers(self) -> Iterator[bytes]:
        data, trailers = bytearray(), b""
        while True:
            kind, flags, stream, payload = self._receive()
            if kind == _DATA and stream == self._stream:
                data += payload
                while len(data) >= 5 and len(data) >= 5 + int.from_bytes(data[1:5], "big"):
                    size = 5 + int.from_bytes(data[1:5], "big")
                    answer = bytes(data[5:size])
                    del data[:size]
                    yield answer
            elif kind in {_HEADERS, _CONTINUATION} and stream == self._stream:
                trailers = payload
                if flags & _END_STREAM:
                    assert flags & _END_HEADERS, "trailers of more than a frame"
                    self.ending = _ending(_decoded(trailers))
                    return
            elif kind in {_RESET, _GOAWAY}:
                raise ConnectionError(f"frame {kind}: {payload.hex()}")

    def _receive(self) -> tuple[int, int, int, bytes]:
        """A frame; what only keeps the connection going is answered."""
        head = self._read(9)
        size, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        payload = self._read(size)
        if kind == _SETTINGS and not flags & _ACK:
            self._socket.sendall(_frame(_SETTINGS, _ACK, 0, b""))
        if kind == _PING and not flags & _ACK:
            self._socket.sendall(_frame(_PING, _ACK, 0, payload))
        return kind, flags, int.from_bytes(head[5:9], "big") & _WINDOW_MAX, payload

    def _read(self, size: int) -> bytes:
        found = bytearray()
        while len(found) < size:
            piece = self._socket.recv(size - len(found))
            if not piece:
                raise ConnectionError("the server closed the connection")
            found += piece
        return bytes(found)


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def _request_headers(method: str) -> bytes:
    """Each a literal that is not indexed (RFC 7541, 6.2.2)."""
    headers = {
        b":method": b"POST",
        b":scheme": b"https",
        b":path": method.encode(),
        b":authority": b"localhost",
        b"content-type": b"application/grpc",
        b"te": b"trailers",
    }
    return b"".join(b"\x00" + _text(name) + _text(value) for name, value in headers.items())


def _text(value: bytes) -> bytes:
    assert len(value) < 127, "longer lengths take more than a byte"
    return bytes([len(value)]) + value


def _decoded(block: bytes) -> dict[str, bytes]:
    """A block of headers. Names and values of the static table are left out, but for the place of their name."""
    found, place = {}, 0
    while place < len(block):
        first = block[place]
        if first & 0x80:  # indexed: both are in the static table
            _, place = _number(block, place, 7)
            continue
        if first & 0xE0 == 0x20:  # size of the dynamic table
            _, place = _number(block, place, 5)
            continue
        index, place = _number(block, place, 6 if first & 0x40 else 4)
        name = b"static-%d" % index
        if not index:
            name, place = _string(block, place)
        value, place = _string(block, place)
        found[name.decode()] = value
    return found


def _number(block: bytes, place: int, bits: int) -> tuple[int, int]:
    """RFC 7541, 5.1. Gives the place after it too."""
    most = 2**bits - 1
    value, place, shift = block[place] & most, place + 1, 0
    if value < most:
        return value, place
    while True:
        octet, place = block[place], place + 1
        value += (octet & 0x7F) << shift
        shift += 7
        if not octet & 0x80:
            return value, place


def _string(block: bytes, place: int) -> tuple[bytes, int]:
    assert not block[place] & 0x80, "a Huffman code, which this client asked not to get"
    size, place = _number(block, place, 7)
    return block[place : place + size], place + size


def _ending(trailers: dict[str, bytes]) -> Ending:
    """A value of gRPC's true-binary form begins with a zero byte."""
    details = trailers.get("grpc-status-details-bin", b"\x00")
    assert details[:1] == b"\x00"
    return Ending(
        _CODES[int(trailers["grpc-status"])],
        unquote(trailers.get("grpc-message", b"").decode()),
        status_pb2.Status.FromString(details[1:]),
    )
