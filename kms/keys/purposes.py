"""A key serves its purpose only (SP 800-57 part 1, section 5.2)."""

from typing import Final

from kms.core.errors import FailedPrecondition, InvalidArgument, Reason, not_found
from kms.keys.algorithms import DEFAULT, HPKE_DEFAULT, AlgorithmFamily, KeyAlgorithm
from kms.keys.manifest_format import check_manifest
from kms.keys.model import Key, KeyPurpose

MANIFEST_CONTEXT: Final = b"hallmark/manifest/v1"
"""Context of every signature by a MANIFEST key, and so not to be had from it for anything else."""

_RESERVED: Final = b"hallmark/"
"""Contexts that begin so belong to a purpose each: to manifests, and to what the service itself states."""

_WITH_CONTEXT: Final = frozenset({AlgorithmFamily.COMPOSITE, AlgorithmFamily.ML_DSA})


def default_purpose(algorithm: KeyAlgorithm | None) -> KeyPurpose:
    return KeyPurpose.ENVELOPE if algorithm is not None and not algorithm.signs else KeyPurpose.SIGN


def default_algorithm(purpose: KeyPurpose) -> KeyAlgorithm:
    return HPKE_DEFAULT if purpose is KeyPurpose.ENVELOPE else DEFAULT


def check_algorithm(purpose: KeyPurpose, algorithm: KeyAlgorithm) -> None:
    """For a key to be made. Raises InvalidArgument/PURPOSE_MISMATCH."""
    if (purpose is KeyPurpose.ENVELOPE) == algorithm.signs:
        what = "opens envelopes" if not algorithm.signs else "signs"
        raise InvalidArgument(
            Reason.PURPOSE_MISMATCH, f"{algorithm} {what}; it is not for purpose {purpose}", field="algorithm"
        )
    if purpose is KeyPurpose.MANIFEST and algorithm.family not in _WITH_CONTEXT:
        raise InvalidArgument(
            Reason.PURPOSE_MISMATCH,
            f"{algorithm} has no context to keep manifests apart with; take a composite or ML-DSA",
            field="algorithm",
        )


def check_signs(key: Key) -> None:
    """The key may be asked for signatures at all. The service's own keys are as if they were not there."""
    if key.purpose.is_own:
        raise not_found(str(key.name))
    if key.purpose is KeyPurpose.ENVELOPE:
        raise _mismatch(key, "opens envelopes and signs nothing")


def check_opens(key: Key) -> None:
    """The key may be asked to open envelopes."""
    if key.purpose.is_own:
        raise not_found(str(key.name))
    if key.purpose is not KeyPurpose.ENVELOPE:
        raise _mismatch(key, f"is for purpose {key.purpose} and opens nothing")


def context_for(purpose: KeyPurpose, *, data: bytes | None, context: bytes) -> bytes:
    """The context to sign under, once it is right that a key of this purpose signs this input.

    data: None when a digest or mu was given instead. Raises InvalidArgument/PURPOSE_MISMATCH.
    """
    if purpose is not KeyPurpose.MANIFEST:
        check_context(purpose, context)
        return context
    if data is None:
        raise InvalidArgument(
            Reason.PURPOSE_MISMATCH, "this key signs manifests only and has to see them: send data", field="input"
        )
    if context not in {b"", MANIFEST_CONTEXT}:
        raise InvalidArgument(
            Reason.PURPOSE_MISMATCH,
            f"this key signs under the context {MANIFEST_CONTEXT.decode()} only; leave context out",
            field="context",
        )
    check_manifest(data)
    return MANIFEST_CONTEXT


def check_context(purpose: KeyPurpose, context: bytes) -> None:
    """Raises InvalidArgument/PURPOSE_MISMATCH. What it can not see is the context inside an external mu."""
    if purpose is KeyPurpose.SIGN and context.startswith(_RESERVED):
        raise InvalidArgument(
            Reason.PURPOSE_MISMATCH,
            f"contexts that begin with {_RESERVED.decode()} are for keys of other purposes; take another",
            field="context",
        )


def verification_context(purpose: KeyPurpose, context: bytes) -> bytes:
    """The context that a signature by a key of this purpose was made under."""
    return MANIFEST_CONTEXT if purpose is KeyPurpose.MANIFEST and not context else context


def _mismatch(key: Key, what: str) -> FailedPrecondition:
    return FailedPrecondition(Reason.PURPOSE_MISMATCH, f"{key.name} {what}", resource=str(key.name))
