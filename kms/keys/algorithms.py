"""The algorithms a key can have, as a table of facts.

Sources: draft-ietf-lamps-pq-composite-sigs-19 (composites), FIPS 204 and RFC 9881 (ML-DSA), FIPS 186-5 (ECDSA),
RFC 8032 (Ed25519), RFC 9180 with draft-ietf-hpke-pq (HPKE).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from hallmark_composite import (
    MLDSA44_ECDSA_P256_SHA256,
    MLDSA65_ECDSA_P256_SHA512,
    MLDSA87_ECDSA_P384_SHA512,
    CompositeAlgorithm,
    EcCurve,
    MlDsaParameterSet,
)


class AlgorithmFamily(StrEnum):
    COMPOSITE = "composite"
    ML_DSA = "ml-dsa"
    ECDSA = "ecdsa"
    ED25519 = "ed25519"
    HPKE = "hpke"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAlgorithm:
    """One row of the table. Exactly the parameter of its family is set: composite, ml_dsa, curve or kem_id."""

    name: str
    """As on the wire, without ALGORITHM_."""
    title: str
    """As people write it; what rows and log entries hold."""
    family: AlgorithmFamily
    prehash: str | None = None
    """hashlib name of the pre-hash a caller may send as `digest`; None: it signs messages only."""
    prehash_size: int | None = None
    """Bytes."""
    supports_context: bool = False
    supports_mu: bool = False
    """Takes an external mu (FIPS 204, algorithm 7, line 6), 64 bytes."""
    streaming: bool = False
    """A message can be taken in chunks: what is signed depends on a hash of it only."""
    composite: CompositeAlgorithm | None = None
    ml_dsa: MlDsaParameterSet | None = None
    curve: EcCurve | None = None
    kem_id: int | None = None
    """HPKE KEM identifier."""

    @property
    def signs(self) -> bool:
        """False for HPKE, which opens envelopes."""
        return self.family is not AlgorithmFamily.HPKE

    def __str__(self) -> str:
        return self.title


def _composite(name: str, algorithm: CompositeAlgorithm) -> KeyAlgorithm:
    return KeyAlgorithm(
        name=name,
        title=algorithm.name,
        family=AlgorithmFamily.COMPOSITE,
        prehash=algorithm.prehash,
        prehash_size=algorithm.prehash_size,
        supports_context=True,
        streaming=True,
        composite=algorithm,
    )


def _ml_dsa(name: str, parameter_set: MlDsaParameterSet) -> KeyAlgorithm:
    """Streams through mu, which is a hash over the message."""
    return KeyAlgorithm(
        name=name,
        title=parameter_set.value,
        family=AlgorithmFamily.ML_DSA,
        supports_context=True,
        supports_mu=True,
        streaming=True,
        ml_dsa=parameter_set,
    )


def _ecdsa(name: str, curve: EcCurve, prehash: str, prehash_size: int) -> KeyAlgorithm:
    return KeyAlgorithm(
        name=name,
        title=name.replace("_", "-"),
        family=AlgorithmFamily.ECDSA,
        prehash=prehash,
        prehash_size=prehash_size,
        streaming=True,
        curve=curve,
    )


def _hpke(name: str, title: str, kem_id: int) -> KeyAlgorithm:
    return KeyAlgorithm(name=name, title=title, family=AlgorithmFamily.HPKE, kem_id=kem_id)


DEFAULT: Final = _composite("MLDSA65_ECDSA_P256_SHA512", MLDSA65_ECDSA_P256_SHA512)
HPKE_DEFAULT: Final = _hpke("HPKE_MLKEM768_X25519", "HPKE-MLKEM768-X25519", 0x647A)
"""For envelopes when the caller names none."""

ALGORITHMS: Final[dict[str, KeyAlgorithm]] = {
    algorithm.name: algorithm
    for algorithm in (
        DEFAULT,
        _composite("MLDSA44_ECDSA_P256_SHA256", MLDSA44_ECDSA_P256_SHA256),
        _composite("MLDSA87_ECDSA_P384_SHA512", MLDSA87_ECDSA_P384_SHA512),
        _ml_dsa("ML_DSA_44", MlDsaParameterSet.ML_DSA_44),
        _ml_dsa("ML_DSA_65", MlDsaParameterSet.ML_DSA_65),
        _ml_dsa("ML_DSA_87", MlDsaParameterSet.ML_DSA_87),
        _ecdsa("ECDSA_P256_SHA256", EcCurve.P256, "sha256", 32),
        _ecdsa("ECDSA_P384_SHA384", EcCurve.P384, "sha384", 48),
        KeyAlgorithm(name="ED25519", title="Ed25519", family=AlgorithmFamily.ED25519),
        HPKE_DEFAULT,
        _hpke("HPKE_MLKEM1024_P384", "HPKE-MLKEM1024-P384", 0x0051),
    )
}
"""By name, in the order of common.proto."""

_BY_TITLE: Final = {algorithm.title: algorithm for algorithm in ALGORITHMS.values()}


def algorithm_titled(title: str) -> KeyAlgorithm:
    """What a stored row names. Raises KeyError: the row was written by a newer release."""
    return _BY_TITLE[title]


def composite_of(algorithm: KeyAlgorithm) -> CompositeAlgorithm:
    """For code that handles composites only; anything else there is a mistake of ours (ValueError)."""
    if algorithm.composite is None:
        raise ValueError(f"{algorithm} is not a composite")
    return algorithm.composite
