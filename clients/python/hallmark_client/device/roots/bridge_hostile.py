"""Requests that a bridge must refuse with the code "invalid", as whole frames. Also in the published vectors."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from .bridge_frames import FRAME_MAX, PREFIX_SIZE


def _seal(*, label: bytes = b"AA==", secret: bytes = b"AA==", uses: bytes = b"null") -> bytes:
    limits = b'"max_uses":' + uses + b',"not_after_seconds":null'
    return (
        b'{"op":"seal","params":{"epoch":1,"label":"' + label + b'",' + limits + b',"secret":"' + secret + b'"},"v":1}'
    )


_EPOCH: Final = b'{"op":"epoch","params":{},"v":1}'
_BODIES: Final = {
    "empty object": b"{}",
    "no JSON": b"epoch",
    "array": b'[{"op":"epoch","params":{},"v":1}]',
    "cut short": _EPOCH[:-1],
    "two values": _EPOCH + b"{}",
    "white space": b'{"op": "epoch","params":{},"v":1}',
    "line end": _EPOCH + b"\n",
    "keys unsorted": b'{"params":{},"op":"epoch","v":1}',
    "key twice": b'{"op":"epoch","op":"epoch","params":{},"v":1}',
    "escape": b'{"op":"\\u0065poch","params":{},"v":1}',
    "not ASCII": '{"op":"épock","params":{},"v":1}'.encode(),
    "zero byte": b'{"op":"epoch\0","params":{},"v":1}',
    "unknown op": b'{"op":"export","params":{},"v":1}',
    "op in capitals": b'{"op":"EPOCH","params":{},"v":1}',
    "op no text": b'{"op":1,"params":{},"v":1}',
    "no params": b'{"op":"epoch","v":1}',
    "params no object": b'{"op":"epoch","params":[],"v":1}',
    "a member too much": b'{"op":"epoch","params":{},"user":0,"v":1}',
    "a param too much": b'{"op":"epoch","params":{"x":1},"v":1}',
    "other version": b'{"op":"epoch","params":{},"v":2}',
    "version true": b'{"op":"epoch","params":{},"v":true}',
    "version text": b'{"op":"epoch","params":{},"v":"1"}',
    "fraction": b'{"op":"advance","params":{"to":1.0},"v":1}',
    "exponent": b'{"op":"advance","params":{"to":1e0},"v":1}',
    "negative": b'{"op":"advance","params":{"to":-1},"v":1}',
    "epoch zero": b'{"op":"advance","params":{"to":0},"v":1}',
    "beyond 2^53": b'{"op":"advance","params":{"to":9007199254740993},"v":1}',
    "number as text": b'{"op":"advance","params":{"to":"2"},"v":1}',
    "far epoch": b'{"op":"advance","params":{"to":9007199254740992},"v":1}',
    "nonce short": b'{"op":"facts","params":{"nonce":"AAAA"},"v":1}',
    "base64 without padding": b'{"op":"sign","params":{"message":"AA"},"v":1}',
    "base64 with spare bits": b'{"op":"sign","params":{"message":"AB=="},"v":1}',
    "base64 of the URL kind": b'{"op":"sign","params":{"message":"-_-_"},"v":1}',
    "message empty": b'{"op":"sign","params":{"message":""},"v":1}',
    "secret empty": _seal(secret=b""),
    "secret too long": _seal(secret=b"AAAA" * 85 + b"AAA="),
    "label empty": _seal(label=b""),
    "no uses": _seal(uses=b"0"),
    "deep": b'{"op":"epoch","params":' + b"[" * 500 + b"]" * 500 + b',"v":1}',
}
HOSTILE: Final[Mapping[str, bytes]] = MappingProxyType(
    {name: len(body).to_bytes(PREFIX_SIZE) + body for name, body in _BODIES.items()}
    | {
        "length zero": bytes(PREFIX_SIZE),
        "length one": (1).to_bytes(PREFIX_SIZE) + b"0",
        "length above the limit": (FRAME_MAX + 1).to_bytes(PREFIX_SIZE),
        "length of all ones": b"\xff" * PREFIX_SIZE,
    }
)
