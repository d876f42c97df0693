"""One composite signature, from opened parts, and its check before release. Pure apart from the two signers' own work.

Used by the PKCS#11 signer processes and by the provider in memory, so both release by the same rule.
"""

import hashlib
from collections.abc import Callable

import cryptography.exceptions
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hallmark_composite import (
    CompositePublicKey,
    InvalidSignature,
    MalformedInput,
    MlDsaParameterSet,
    message_representative,
)
from hallmark_composite.components import verify_ecdsa_half
from hallmark_composite.encoding import encode_ecdsa_der, join_signature
from hsm.engine import BadMlDsaSignature, EngineFault, LoadedMlDsaKey, PostQuantumEngine
from hsm.errors import InvalidRequest, SignatureFault

SignDigest = Callable[[bytes], bytes]
"""Signs a hash with the key's ECDSA half; gives r || s."""


def sign_composite(
    public_key: CompositePublicKey,
    *,
    ml_dsa_key: LoadedMlDsaKey,
    sign_digest: SignDigest,
    verifier: PostQuantumEngine,
    digest: bytes,
    context: bytes,
) -> bytes:
    """A verified composite signature (draft-ietf-lamps-pq-composite-sigs-19, section 3.2).

    Raises InvalidRequest for a digest or context of the wrong size, SignatureFault when a half does not verify.
    """
    algorithm = public_key.algorithm
    try:
        representative = message_representative(algorithm, digest, context)
    except MalformedInput as error:
        raise InvalidRequest(str(error)) from None
    ecdsa_raw = sign_digest(hashlib.new(algorithm.ecdsa_hash, representative).digest())
    try:
        ml_dsa = ml_dsa_key.sign(representative, algorithm.label)
        ecdsa_der = encode_ecdsa_der(algorithm.curve, ecdsa_raw)
        verifier.verify(
            algorithm.ml_dsa,
            public_key=public_key.ml_dsa_bytes,
            signature=ml_dsa,
            message=representative,
            context=algorithm.label,
        )
        verify_ecdsa_half(public_key, signature_der=ecdsa_der, representative=representative)
        return join_signature(algorithm, ml_dsa=ml_dsa, ecdsa_der=ecdsa_der)
    except (EngineFault, BadMlDsaSignature, InvalidSignature) as error:
        raise SignatureFault(
            f"a signature was discarded because it failed its check before release ({error}); "
            "if this repeats, the token or the signing engine is faulty: see `hallmark hsm doctor`"
        ) from None


def sign_ml_dsa(
    ml_dsa_key: LoadedMlDsaKey,
    *,
    verifier: PostQuantumEngine,
    parameter_set: MlDsaParameterSet,
    public_key: bytes,
    message: bytes,
    context: bytes,
) -> bytes:
    """A verified pure ML-DSA signature. Raises SignatureFault."""
    try:
        signature = ml_dsa_key.sign(message, context)
        verifier.verify(parameter_set, public_key=public_key, signature=signature, message=message, context=context)
    except (EngineFault, BadMlDsaSignature) as error:
        raise SignatureFault(
            f"a signature was discarded because it failed its check before release ({error}); "
            "if this repeats, the signing engine is faulty: see `hallmark hsm doctor`"
        ) from None
    return signature


def check_ed25519(public_key: bytes, *, signature: bytes, message: bytes) -> None:
    """RFC 8032. Raises SignatureFault."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (cryptography.exceptions.InvalidSignature, ValueError):
        raise SignatureFault(
            "an Ed25519 signature was discarded because it does not verify; if this repeats, the token is faulty"
        ) from None
