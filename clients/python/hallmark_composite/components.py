"""Verification of one half of a composite. Not part of the public interface: a half alone proves nothing.

Used by verification.py, and by a signer that checks each half before it releases the whole.
"""

import cryptography.exceptions
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from .errors import InvalidSignature
from .public_key import CompositePublicKey

_HASHES: dict[str, hashes.HashAlgorithm] = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384()}


def verify_ml_dsa_half(public_key: CompositePublicKey, *, signature: bytes, representative: bytes) -> None:
    """ML-DSA over M' with the label as context (draft -19, section 3.3). Raises InvalidSignature."""
    try:
        public_key.ml_dsa_key.verify(signature, representative, public_key.algorithm.label)
    except (cryptography.exceptions.InvalidSignature, ValueError):
        raise InvalidSignature("the ML-DSA half does not verify") from None


def verify_ecdsa_half(public_key: CompositePublicKey, *, signature_der: bytes, representative: bytes) -> None:
    """ECDSA over M' with the algorithm's own hash. Raises InvalidSignature."""
    try:
        public_key.ec_key.verify(signature_der, representative, ec.ECDSA(_HASHES[public_key.algorithm.ecdsa_hash]))
    except (cryptography.exceptions.InvalidSignature, ValueError):
        raise InvalidSignature("the ECDSA half does not verify") from None
