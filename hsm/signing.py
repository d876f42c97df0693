"""One composite signature, from opened parts, and its check before release. Pure apart from the two signers' own work.

Used by the PKCS#11 signer processes and by the provider in memory, so both release by the same rule.
"""

import hashlib
from collections.abc import Callable
from typing import Final

import cryptography.exceptions
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hallmark_composite import (
    CompositePublicKey,
    EcCurve,
    InvalidSignature,
    MalformedInput,
    MlDsaParameterSet,
    message_representative,
)
from hallmark_composite.components import verify_ecdsa_half
from hallmark_composite.encoding import encode_ecdsa_der, join_signature
from hsm.engine import BadMlDsaSignature, EngineFault, LoadedMlDsaKey, PostQuantumEngine
from hsm.errors import InvalidRequest, SignatureFault

_CURVES: Final[dict[EcCurve, ec.EllipticCurve]] = {EcCurve.P256: ec.SECP256R1(), EcCurve.P384: ec.SECP384R1()}
_HASHES: Final[dict[EcCurve, hashes.HashAlgorithm]] = {EcCurve.P256: hashes.SHA256(), EcCurve.P384: hashes.SHA384()}

NO_MU_IN_TOKENS: Final = "this key lives inside the token, and PKCS#11 v3.2 has no external mu: send the message"

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


def sign_ml_dsa_mu(
    ml_dsa_key: LoadedMlDsaKey,
    *,
    verifier: PostQuantumEngine,
    parameter_set: MlDsaParameterSet,
    public_key: bytes,
    mu: bytes,
) -> bytes:
    """A verified pure ML-DSA signature from an external mu. Raises SignatureFault."""
    try:
        signature = ml_dsa_key.sign_mu(mu)
        verifier.verify_mu(parameter_set, public_key=public_key, signature=signature, mu=mu)
    except (EngineFault, BadMlDsaSignature) as error:
        raise SignatureFault(
            f"a signature was discarded because it failed its check before release ({error}); "
            "if this repeats, the signing engine is faulty: see `hallmark hsm doctor`"
        ) from None
    return signature


def release_ecdsa(curve: EcCurve, public_key: bytes, *, raw: bytes, digest: bytes) -> bytes:
    """DER of a token's r || s once it verified (FIPS 186-5, with the curve's own hash). Raises SignatureFault."""
    try:
        der = encode_ecdsa_der(curve, raw)
        key = ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[curve], public_key)
        key.verify(der, digest, ec.ECDSA(utils.Prehashed(_HASHES[curve])))
    except (cryptography.exceptions.InvalidSignature, InvalidSignature, ValueError):
        raise SignatureFault(
            "an ECDSA signature was discarded because it does not verify; if this repeats, the token is faulty"
        ) from None
    return der


def check_ed25519(public_key: bytes, *, signature: bytes, message: bytes) -> None:
    """RFC 8032. Raises SignatureFault."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (cryptography.exceptions.InvalidSignature, ValueError):
        raise SignatureFault(
            "an Ed25519 signature was discarded because it does not verify; if this repeats, the token is faulty"
        ) from None
