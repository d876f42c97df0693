"""Frames between the service and a signer process: 4-byte big-endian length, then one CBOR value.

Request [number, operation, arguments]; answer [number, None, result] or [number, error code, message].
Both ends are ours, yet each bounds what it reads: a fault on one side must not exhaust the other.
"""

import enum
from typing import Any, Final

import cbor2

from hsm.errors import ERRORS_BY_CODE, HsmError, TokenUnavailable

MAX_FRAME_SIZE: Final = (1 << 20) + (1 << 16)
"""The longest envelope (1 MiB), with the material and the bindings that go with it."""
_LENGTH_SIZE: Final = 4


class Operation(enum.StrEnum):
    """What a signer process can be asked. START comes first and once."""

    START = "start"
    SIGN = "sign"
    GENERATE_COMPOSITE = "generate-composite"
    GENERATE_ECDSA = "generate-ecdsa"
    GENERATE_ED25519 = "generate-ed25519"
    GENERATE_MLDSA = "generate-mldsa"
    DESTROY = "destroy"
    PROBE = "probe"
    GENERATE_HPKE = "generate-hpke"
    OPEN_ENVELOPE = "open-envelope"
    LIST_KEKS = "list-keks"
    CREATE_KEK = "create-kek"
    ADOPT_KEK = "adopt-kek"
    DESTROY_KEK = "destroy-kek"
    REWRAP = "rewrap"
    GENERATE_EXPORTABLE = "generate-exportable"
    IMPORT_KEY = "import-key"
    EXPORT_KEY = "export-key"
    READ_DATA = "read-data"
    WRITE_DATA = "write-data"


class SignKind(enum.StrEnum):
    """The first field of an item of SIGN. The others: the material's bytes, then

    COMPOSITE: digest, context, key binding. ML_DSA: message, context, key binding. ML_DSA_MU: mu, key binding.
    ECDSA: digest. ED25519: message.
    """

    COMPOSITE = "composite"
    ML_DSA = "ml-dsa"
    ML_DSA_MU = "ml-dsa-mu"
    ECDSA = "ecdsa"
    ED25519 = "ed25519"


class BadFrame(Exception):
    """The other end sent what it never should; the connection is given up."""


def encode_frame(value: Any) -> bytes:
    """Raises BadFrame when it is too long."""
    body = cbor2.dumps(value)
    if len(body) > MAX_FRAME_SIZE:
        raise BadFrame(f"a frame of {len(body)} bytes is over the limit")
    return len(body).to_bytes(_LENGTH_SIZE, "big") + body


class FrameBuffer:
    """Collects bytes as they come and gives whole frames."""

    def __init__(self) -> None:
        self._data = bytearray()

    def add(self, data: bytes) -> None:
        self._data += data

    def take(self) -> Any | None:
        """The next value, or None until it is complete. Raises BadFrame."""
        if len(self._data) < _LENGTH_SIZE:
            return None
        size = int.from_bytes(self._data[:_LENGTH_SIZE], "big")
        if not 0 < size <= MAX_FRAME_SIZE:
            raise BadFrame(f"a frame announces {size} bytes")
        end = _LENGTH_SIZE + size
        if len(self._data) < end:
            return None
        body = bytes(self._data[_LENGTH_SIZE:end])
        del self._data[:end]
        try:
            value = cbor2.loads(body)
        except Exception:  # the decoder's own errors all mean the same here
            raise BadFrame("a frame is not CBOR") from None
        if not isinstance(value, list) or len(value) != 3:
            raise BadFrame("a frame is not an array of three")
        return value


def encode_error(number: int, error: HsmError) -> bytes:
    return encode_frame([number, error.code, str(error)])


def decode_error(code: Any, message: Any) -> HsmError:
    """The error a signer process reported; one this version does not know counts as a failing process."""
    return ERRORS_BY_CODE.get(str(code), TokenUnavailable)(str(message))
