"""How many parts a batch has, counted in its bytes: a message of 4 MiB can be two million empty parts, which take
300 MB when they are decoded.
"""

from typing import Final

from kms.core.errors import InvalidArgument, Reason

FIELDS_MAX: Final = 1024
"""Of a batch: its parts (512 at most, kms.keys.signing_rpc, kms.log.appending.wire) and what stands beside them."""
_REQUESTS: Final = 2
"""Number of the field `requests` in every batch."""
_FIXED: Final = {1: 8, 5: 4}
"""Bytes by wire type."""
_VARINT_BYTES_MAX: Final = 10


def items_of(body: bytes) -> int:
    """Raises InvalidArgument for what has too many fields, and for what is no sequence of fields (Protocol Buffers,
    "Encoding", without groups).
    """
    at = items = 0
    for _ in range(FIELDS_MAX):
        if at == len(body):
            return items
        tag, at = _varint(body, at)
        kind, size = tag & 7, 0
        items += tag >> 3 == _REQUESTS
        if kind == 2:
            size, at = _varint(body, at)
        elif kind == 0:
            _, at = _varint(body, at)
        elif (size := _FIXED.get(kind, -1)) < 0:
            raise no_message()
        at += size
        if at > len(body):
            raise no_message()
    if at == len(body):
        return items
    raise InvalidArgument(Reason.BATCH_TOO_LARGE, "a batch has 512 requests at most", field="requests")


def no_message() -> InvalidArgument:
    return InvalidArgument(Reason.FIELD_INVALID, "the request is not the protobuf message of this RPC")


def _varint(body: bytes, at: int) -> tuple[int, int]:
    value = 0
    for number, byte in enumerate(body[at : at + _VARINT_BYTES_MAX]):
        value |= (byte & 0x7F) << (7 * number)
        if byte < 0x80:
            return value, at + number + 1
    raise no_message()
