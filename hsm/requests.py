"""Checks of a caller's arguments, the same in every provider; all raise InvalidRequest."""

from collections.abc import Sequence
from typing import Final

from hallmark_composite import MAX_CONTEXT_SIZE

from .errors import InvalidRequest
from .material import CompositeKeyMaterial, EcdsaKeyMaterial
from .provider import (
    MAX_BATCH_SIZE,
    MAX_KEY_BINDING_SIZE,
    MAX_MESSAGE_SIZE,
    MU_SIZE,
    CompositeSignRequest,
    EcdsaSignRequest,
    Ed25519SignRequest,
    MlDsaMuSignRequest,
    MlDsaSignRequest,
    SignRequest,
)

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


def check_ecdsa(material: EcdsaKeyMaterial, digest: bytes) -> None:
    if len(digest) != material.curve.coordinate_size:  # the curve's own hash is as long as a coordinate
        raise InvalidRequest(
            f"ECDSA on {material.curve.value} signs a SHA-{8 * material.curve.coordinate_size} digest of "
            f"{material.curve.coordinate_size} bytes, not {len(digest)}"
        )


def check_mu(mu: bytes) -> None:
    if len(mu) != MU_SIZE:
        raise InvalidRequest(f"mu has {MU_SIZE} bytes, not {len(mu)}")


def check_request(request: SignRequest) -> None:
    """One item of a batch."""
    match request:
        case CompositeSignRequest():
            check_composite(
                request.material, digest=request.digest, context=request.context, key_binding=request.key_binding
            )
        case MlDsaSignRequest():
            check_message(request.message, request.context)
            check_binding(request.key_binding)
        case MlDsaMuSignRequest():
            check_mu(request.mu)
            check_binding(request.key_binding)
        case EcdsaSignRequest():
            check_ecdsa(request.material, request.digest)
        case Ed25519SignRequest():
            check_message(request.message)


def check_batch(requests: Sequence[SignRequest]) -> None:
    if len(requests) > MAX_BATCH_SIZE:
        raise InvalidRequest(f"a batch may have {MAX_BATCH_SIZE} items, not {len(requests)}; split it")


def _at_most(what: str, value: bytes) -> None:
    if len(value) > _SIZES[what]:
        raise InvalidRequest(f"the {what} may have {_SIZES[what]} bytes, not {len(value)}")
