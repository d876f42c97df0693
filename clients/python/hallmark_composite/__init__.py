"""Composite ML-DSA signatures of the IETF LAMPS working group (draft-ietf-lamps-pq-composite-sigs-19), verify only.

One ML-DSA and one ECDSA signature over one message representative; valid only if both are. Needs no service:

    key = CompositePublicKey.from_spki_pem(Path("key.pem").read_text())
    verify(key, signature, message=b"...", context=b"")      # returns a fact, or raises InvalidSignature
"""

from .algorithms import (
    ALGORITHMS,
    DEFAULT_ALGORITHM,
    MLDSA44_ECDSA_P256_SHA256,
    MLDSA65_ECDSA_P256_SHA512,
    MLDSA87_ECDSA_P384_SHA512,
    CompositeAlgorithm,
    EcCurve,
    MlDsaParameterSet,
    algorithm_by_name,
    algorithm_by_oid,
)
from .certificate import CompositeCertificate, VerifiedCertificate, verify_certificate
from .errors import (
    CompositeError,
    InvalidSignature,
    MalformedCertificate,
    MalformedInput,
    MalformedPublicKey,
    UnknownAlgorithm,
)
from .public_key import CompositePublicKey
from .representative import MAX_CONTEXT_SIZE, Prehash, message_representative, prehash
from .verification import VerifiedComposite, verify

__all__ = [
    "ALGORITHMS",
    "DEFAULT_ALGORITHM",
    "MAX_CONTEXT_SIZE",
    "MLDSA44_ECDSA_P256_SHA256",
    "MLDSA65_ECDSA_P256_SHA512",
    "MLDSA87_ECDSA_P384_SHA512",
    "CompositeAlgorithm",
    "CompositeCertificate",
    "CompositeError",
    "CompositePublicKey",
    "EcCurve",
    "InvalidSignature",
    "MalformedCertificate",
    "MalformedInput",
    "MalformedPublicKey",
    "MlDsaParameterSet",
    "Prehash",
    "UnknownAlgorithm",
    "VerifiedCertificate",
    "VerifiedComposite",
    "algorithm_by_name",
    "algorithm_by_oid",
    "message_representative",
    "prehash",
    "verify",
    "verify_certificate",
]
