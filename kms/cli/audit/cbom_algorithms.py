"""Algorithms as CycloneDX describes them (ECMA-424, 1.6, `cryptoProperties`): what each is, and what it would stand.

The quantum security levels are NIST's categories: of ML-DSA FIPS 204, table 1; of ML-KEM FIPS 203, table 2; of AES and
SHA-2 the categories' own definitions (call for proposals 2016, section 4.A.5). Classical public-key cryptography: 0.
"""

from dataclasses import dataclass
from typing import Final

from cyclonedx.model.crypto import CryptoFunction as Function
from cyclonedx.model.crypto import CryptoPrimitive as Primitive

from kms.keys.algorithms import ALGORITHMS, AlgorithmFamily, KeyAlgorithm

_SIGNS: Final = (Function.KEYGEN, Function.SIGN, Function.VERIFY)
_ENCAPSULATES: Final = (Function.KEYGEN, Function.ENCAPSULATE, Function.DECAPSULATE)
_ENCRYPTS: Final = (Function.ENCRYPT, Function.DECRYPT)
_ML_DSA_OIDS: Final = {"ML-DSA-44": ".17", "ML-DSA-65": ".18", "ML-DSA-87": ".19"}
_LEVELS: Final = {"ML-DSA-44": 2, "ML-DSA-65": 3, "ML-DSA-87": 5, "ML-KEM-512": 1, "ML-KEM-768": 3, "ML-KEM-1024": 5}


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """`parts`: names of what it is made of, when it is made of others. `level`: NIST's category, 0 to 6."""

    name: str
    primitive: Primitive
    functions: tuple[Function, ...]
    parameters: str | None = None
    curve: str | None = None
    level: int | None = None
    oid: str | None = None
    parts: tuple[str, ...] = ()


def _ml_dsa(name: str) -> Algorithm:
    oid = f"2.16.840.1.101.3.4.3{_ML_DSA_OIDS[name]}"
    return Algorithm(
        name=name, primitive=Primitive.SIGNATURE, functions=_SIGNS, parameters=name[7:], level=_LEVELS[name], oid=oid
    )


def _ml_kem(name: str) -> Algorithm:
    return Algorithm(
        name=name, primitive=Primitive.KEM, functions=_ENCAPSULATES, parameters=name[7:], level=_LEVELS[name]
    )


def _ecdsa(name: str, curve: str) -> Algorithm:
    return Algorithm(name=name, primitive=Primitive.SIGNATURE, functions=_SIGNS, curve=curve, level=0)


def _signature(name: str, oid: str, digest: str) -> Algorithm:
    """Of certificates, which name no curve (RFC 5758, RFC 8017)."""
    functions = (Function.SIGN, Function.VERIFY)
    return Algorithm(name=name, primitive=Primitive.SIGNATURE, functions=functions, level=0, oid=oid, parts=(digest,))


def _agreement(name: str) -> Algorithm:
    return Algorithm(
        name=name, primitive=Primitive.KEY_AGREE, functions=(Function.KEYGEN, Function.KEYDERIVE), curve=name, level=0
    )


def _combined(name: str, *parts: str) -> Algorithm:
    level = max(_LEVELS.get(part, 0) for part in parts)
    return Algorithm(name=name, primitive=Primitive.COMBINER, functions=_ENCAPSULATES, level=level, parts=parts)


def _cipher(name: str, parameters: str, level: int) -> Algorithm:
    return Algorithm(name=name, primitive=Primitive.AE, functions=_ENCRYPTS, parameters=parameters, level=level)


def _hash(name: str, parameters: str, level: int) -> Algorithm:
    return Algorithm(
        name=name, primitive=Primitive.HASH, functions=(Function.DIGEST,), parameters=parameters, level=level
    )


_BASIC: Final = (
    *map(_ml_dsa, _ML_DSA_OIDS),
    _ml_kem("ML-KEM-768"),
    _ml_kem("ML-KEM-1024"),
    _ecdsa("ECDSA P-256", "P-256"),
    _ecdsa("ECDSA P-384", "P-384"),
    _signature("ECDSA-SHA256", "1.2.840.10045.4.3.2", "SHA-256"),
    _signature("ECDSA-SHA384", "1.2.840.10045.4.3.3", "SHA-384"),
    _signature("RSA-SHA256", "1.2.840.113549.1.1.11", "SHA-256"),
    Algorithm(
        name="Ed25519", primitive=Primitive.SIGNATURE, functions=_SIGNS, curve="Ed25519", level=0, oid="1.3.101.112"
    ),
    *map(_agreement, ("X25519", "P-256", "P-384")),
    _combined("X25519MLKEM768", "ML-KEM-768", "X25519"),
    _combined("SecP256r1MLKEM768", "ML-KEM-768", "P-256"),
    _combined("SecP384r1MLKEM1024", "ML-KEM-1024", "P-384"),
    _cipher("AES-128-GCM", "128", 1),
    _cipher("AES-256-GCM", "256", 5),
    _cipher("ChaCha20-Poly1305", "256", 5),
    _hash("SHA-256", "256", 2),
    _hash("SHA-384", "384", 4),
    _hash("SHA-512", "512", 6),
)


def _of_key(algorithm: KeyAlgorithm) -> Algorithm | None:
    """None: it stands among the basic ones."""
    match algorithm.family:
        case AlgorithmFamily.COMPOSITE if algorithm.composite is not None:
            made = algorithm.composite
            parts = (made.ml_dsa.value, f"ECDSA {made.curve.value}")
            return Algorithm(
                name=algorithm.title,
                primitive=Primitive.SIGNATURE,
                functions=_SIGNS,
                level=_LEVELS[made.ml_dsa.value],
                oid=made.oid,
                parts=parts,
            )
        case AlgorithmFamily.HPKE:
            kem, curve = {0x647A: ("ML-KEM-768", "X25519"), 0x0051: ("ML-KEM-1024", "P-384")}[algorithm.kem_id or 0]
            return _combined(algorithm.title, kem, curve)
        case AlgorithmFamily.ECDSA if algorithm.curve is not None:
            return _ecdsa(algorithm.title, algorithm.curve.value)
        case _:
            return None


CATALOGUE: Final = {each.name: each for each in (*_BASIC, *filter(None, map(_of_key, ALGORITHMS.values())))}
"""By name, as reports and keys name them."""

SUITES: Final = {
    "TLS_AES_128_GCM_SHA256": ("AES-128-GCM", "SHA-256"),
    "TLS_AES_256_GCM_SHA384": ("AES-256-GCM", "SHA-384"),
    "TLS_CHACHA20_POLY1305_SHA256": ("ChaCha20-Poly1305", "SHA-256"),
}
"""Algorithms of the cipher suites of TLS 1.3 (RFC 8446, appendix B.4)."""


def described(name: str) -> Algorithm:
    """An algorithm that the catalogue does not know is named and nothing more."""
    return CATALOGUE.get(name) or Algorithm(name=name, primitive=Primitive.UNKNOWN, functions=())
