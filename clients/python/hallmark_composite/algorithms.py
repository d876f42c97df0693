"""The composite ML-DSA algorithms, as a table of facts.

Source: draft-ietf-lamps-pq-composite-sigs-19, section 6 (labels, pre-hashes, OIDs) and appendix A (sizes).
A composite is one ML-DSA key and one ECDSA key that sign together; neither may ever be used alone (section 10.3).
"""

import enum
from dataclasses import dataclass
from typing import Final

from .errors import UnknownAlgorithm


class MlDsaParameterSet(enum.Enum):
    """FIPS 204, table 2. The value is the standard name; sizes are in bytes."""

    ML_DSA_44 = "ML-DSA-44"
    ML_DSA_65 = "ML-DSA-65"
    ML_DSA_87 = "ML-DSA-87"

    @property
    def public_key_size(self) -> int:
        return _ML_DSA_SIZES[self][0]

    @property
    def signature_size(self) -> int:
        return _ML_DSA_SIZES[self][1]


_ML_DSA_SIZES: Final = {
    MlDsaParameterSet.ML_DSA_44: (1312, 2420),
    MlDsaParameterSet.ML_DSA_65: (1952, 3309),
    MlDsaParameterSet.ML_DSA_87: (2592, 4627),
}

ML_DSA_SEED_SIZE: Final = 32
"""The private key everywhere in this system is the 32-byte seed xi (FIPS 204, algorithm 1; RFC 9881, section 6)."""


class EcCurve(enum.Enum):
    """NIST curves (SP 800-186). The value is the name used in composite names."""

    P256 = "P-256"
    P384 = "P-384"

    @property
    def coordinate_size(self) -> int:
        """Bytes of one coordinate, and of each of r and s."""
        return {EcCurve.P256: 32, EcCurve.P384: 48}[self]

    @property
    def point_size(self) -> int:
        """Bytes of an X9.62 uncompressed point: 0x04, x, y."""
        return 1 + 2 * self.coordinate_size

    @property
    def max_signature_size(self) -> int:
        """Bytes of the longest DER Ecdsa-Sig-Value: both integers with a leading zero byte."""
        return 2 + 2 * (2 + 1 + self.coordinate_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompositeAlgorithm:
    """One row of the table. Sizes in bytes; a signature is at most `max_signature_size`, its ECDSA half varies."""

    name: str
    """ASN.1 name of the draft, with its "id-"."""
    oid: str
    label: bytes
    """Signature label: enters M' and is the ML-DSA context."""
    prehash: str
    """hashlib name of PH."""
    prehash_size: int
    ml_dsa: MlDsaParameterSet
    curve: EcCurve
    ecdsa_hash: str
    """hashlib name of the hash ECDSA applies to M'."""

    @property
    def public_key_size(self) -> int:
        return self.ml_dsa.public_key_size + self.curve.point_size

    @property
    def max_signature_size(self) -> int:
        return self.ml_dsa.signature_size + self.curve.max_signature_size

    def __str__(self) -> str:
        return self.name


MLDSA44_ECDSA_P256_SHA256: Final = CompositeAlgorithm(
    name="id-MLDSA44-ECDSA-P256-SHA256",
    oid="1.3.6.1.5.5.7.6.40",
    label=b"COMPSIG-MLDSA44-ECDSA-P256-SHA256",
    prehash="sha256",
    prehash_size=32,
    ml_dsa=MlDsaParameterSet.ML_DSA_44,
    curve=EcCurve.P256,
    ecdsa_hash="sha256",
)

MLDSA65_ECDSA_P256_SHA512: Final = CompositeAlgorithm(
    name="id-MLDSA65-ECDSA-P256-SHA512",
    oid="1.3.6.1.5.5.7.6.45",
    label=b"COMPSIG-MLDSA65-ECDSA-P256-SHA512",
    prehash="sha512",
    prehash_size=64,
    ml_dsa=MlDsaParameterSet.ML_DSA_65,
    curve=EcCurve.P256,
    ecdsa_hash="sha256",
)

MLDSA87_ECDSA_P384_SHA512: Final = CompositeAlgorithm(
    name="id-MLDSA87-ECDSA-P384-SHA512",
    oid="1.3.6.1.5.5.7.6.49",
    label=b"COMPSIG-MLDSA87-ECDSA-P384-SHA512",
    prehash="sha512",
    prehash_size=64,
    ml_dsa=MlDsaParameterSet.ML_DSA_87,
    curve=EcCurve.P384,
    ecdsa_hash="sha384",
)

DEFAULT_ALGORITHM: Final = MLDSA65_ECDSA_P256_SHA512
"""The draft's own recommendation (section 6.4)."""

ALGORITHMS: Final[dict[str, CompositeAlgorithm]] = {
    algorithm.name: algorithm
    for algorithm in (MLDSA44_ECDSA_P256_SHA256, MLDSA65_ECDSA_P256_SHA512, MLDSA87_ECDSA_P384_SHA512)
}

_BY_OID: Final = {algorithm.oid: algorithm for algorithm in ALGORITHMS.values()}


def algorithm_by_name(name: str) -> CompositeAlgorithm:
    """Raises UnknownAlgorithm."""
    try:
        return ALGORITHMS[name]
    except KeyError:
        raise UnknownAlgorithm(f"unknown composite algorithm; known are {', '.join(ALGORITHMS)}") from None


def algorithm_by_oid(oid: str) -> CompositeAlgorithm:
    """`oid` is dotted decimal. Raises UnknownAlgorithm."""
    try:
        return _BY_OID[oid]
    except KeyError:
        raise UnknownAlgorithm(f"unknown composite algorithm OID; known are {', '.join(_BY_OID)}") from None
