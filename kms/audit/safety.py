"""Which algorithms would stand against a quantum computer.

Sources: FIPS 203 and draft-ietf-tls-ecdhe-mlkem (TLS groups), FIPS 204 and draft-ietf-lamps-pq-composite-sigs (keys).
"""

from typing import Final

from kms.audit.model import UNKNOWN, QuantumSafety
from kms.keys.algorithms import ALGORITHMS, AlgorithmFamily

_OF_FAMILY: Final = {
    AlgorithmFamily.COMPOSITE: QuantumSafety.HYBRID,
    AlgorithmFamily.HPKE: QuantumSafety.HYBRID,
    AlgorithmFamily.ML_DSA: QuantumSafety.POST_QUANTUM,
    AlgorithmFamily.ECDSA: QuantumSafety.CLASSICAL,
    AlgorithmFamily.ED25519: QuantumSafety.CLASSICAL,
}
_OF_TITLE: Final = {algorithm.title: _OF_FAMILY[algorithm.family] for algorithm in ALGORITHMS.values()}


def of_group(tls_version: str, group: str) -> QuantumSafety:
    """Of the key exchange of a connection. Only TLS 1.3 has the ML-KEM groups."""
    if tls_version == UNKNOWN or (group == UNKNOWN and tls_version == "TLSv1.3"):
        return QuantumSafety.UNSPECIFIED
    if tls_version != "TLSv1.3" or "MLKEM" not in group:
        return QuantumSafety.CLASSICAL
    return QuantumSafety.POST_QUANTUM if group.startswith("MLKEM") else QuantumSafety.HYBRID


def of_tls_version(tls_version: str) -> QuantumSafety:
    """TLS 1.3 says nothing of its group; versions before it have classical ones only."""
    return QuantumSafety.UNSPECIFIED if tls_version in {"TLSv1.3", UNKNOWN} else QuantumSafety.CLASSICAL


def of_key(title: str) -> QuantumSafety:
    """Of a key of the service, and of its signatures."""
    return _OF_TITLE.get(title, QuantumSafety.UNSPECIFIED)


def of_certificate(algorithm: str) -> QuantumSafety:
    """Of a key or a signature in a client certificate (kms.audit.certificates)."""
    if algorithm.startswith("ML-DSA"):
        return QuantumSafety.POST_QUANTUM
    classical = algorithm.startswith(("ECDSA", "RSA", "Ed25519", "Ed448"))
    return QuantumSafety.CLASSICAL if classical else QuantumSafety.UNSPECIFIED
