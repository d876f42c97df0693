"""Checks of a caller's arguments, the same in every provider; all raise InvalidRequest."""

from collections.abc import Sequence
from typing import Final

from hallmark_composite import MAX_CONTEXT_SIZE

from .errors import InvalidRequest
from .material import CompositeKeyMaterial
from .provider import MAX_BATCH_SIZE, MAX_KEY_BINDING_SIZE, MAX_MESSAGE_SIZE, CompositeSignRequest

_SIZES: Final = {
    "key binding": MAX_KEY_BINDING_SIZE,
    "context": MAX_CONTEXT_SIZE,
    "message": MAX_MESSAGE_SIZE,
}


def check_binding(key_binding: bytes) -> None:
    _at_most("key binding", key_binding)


def check_message(message: bytes, context: bytes = b"") -> None:
    _at_most("message", message)
    _at_most("context", context)


def check_composite(material: CompositeKeyMaterial, *, digest: bytes, context: bytes, key_binding: bytes) -> None:
    algorithm = material.algorithm
    if len(digest) != algorithm.prehash_size:
        raise InvalidRequest(
            f"{algorithm} signs a {algorithm.prehash} digest of {algorithm.prehash_size} bytes, not {len(digest)}"
        )
    _at_most("context", context)
    _at_most("key binding", key_binding)


def check_batch(requests: Sequence[CompositeSignRequest]) -> None:
    if len(requests) > MAX_BATCH_SIZE:
        raise InvalidRequest(f"a batch may have {MAX_BATCH_SIZE} items, not {len(requests)}; split it")


def _at_most(what: str, value: bytes) -> None:
    if len(value) > _SIZES[what]:
        raise InvalidRequest(f"the {what} may have {_SIZES[what]} bytes, not {len(value)}")
