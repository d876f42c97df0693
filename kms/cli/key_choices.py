"""Algorithms, purposes and sensitivities by their names on the command line."""

from typing import Final

ALGORITHMS: Final = {
    "mldsa65-p256": "id-MLDSA65-ECDSA-P256-SHA512",
    "mldsa44-p256": "id-MLDSA44-ECDSA-P256-SHA256",
    "mldsa87-p384": "id-MLDSA87-ECDSA-P384-SHA512",
    "mldsa44": "ML-DSA-44",
    "mldsa65": "ML-DSA-65",
    "mldsa87": "ML-DSA-87",
    "p256": "ECDSA-P256-SHA256",
    "p384": "ECDSA-P384-SHA384",
    "ed25519": "Ed25519",
    "hpke-mlkem768-x25519": "HPKE-MLKEM768-X25519",
    "hpke-mlkem1024-p384": "HPKE-MLKEM1024-P384",
}
PURPOSES: Final = ("sign", "manifest", "envelope")
SENSITIVITIES: Final = ("low", "standard", "high", "maximum")
