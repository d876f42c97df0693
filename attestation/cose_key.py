"""COSE_Key (RFC 9052, 7; RFC 9053, 7; RFC 9964): public keys as WebAuthn and attestation tokens carry them, as SPKI.

Only the exact form counts: coordinates of full length, no private parts, an algorithm that fits the key.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from attestation.cbor import CborKey, CborValue
from attestation.errors import EvidenceError
from attestation.reasons import Reason

MAX_MODULUS_BYTES: Final = 1024  # RSA-8192
MAX_EXPONENT_BYTES: Final = 4

# COSE algorithms (IANA registry, and RFC 9053, 8812, 9864, 9964).
ES256, ES384, ES512 = -7, -35, -36
ESP256, ESP384, ESP512 = -9, -51, -52
EDDSA, ED25519, ED448 = -8, -19, -53
RS256, RS384, RS512, RS1 = -257, -258, -259, -65535
PS256, PS384, PS512 = -37, -38, -39
ML_DSA_44, ML_DSA_65, ML_DSA_87 = -48, -49, -50

_KTY, _ALG = 1, 3
_OKP, _EC2, _RSA, _AKP = 1, 2, 3, 7
_PRIVATE: Final = {_OKP: (-4,), _EC2: (-4,), _RSA: tuple(range(-12, -2)), _AKP: (-2,)}

# For each curve: its parameters, the octets of a coordinate, the algorithms that may be named for it.
_CURVES: Final[dict[int, tuple[ec.EllipticCurve, int, tuple[int, int]]]] = {
    1: (ec.SECP256R1(), 32, (ES256, ESP256)),
    2: (ec.SECP384R1(), 48, (ES384, ESP384)),
    3: (ec.SECP521R1(), 66, (ES512, ESP512)),
}
_EDWARDS: Final[dict[int, tuple[Callable[[bytes], PublicKeyTypes], tuple[int, int]]]] = {
    6: (ed25519.Ed25519PublicKey.from_public_bytes, (EDDSA, ED25519)),
    7: (ed448.Ed448PublicKey.from_public_bytes, (EDDSA, ED448)),
}
_MLDSA: Final[dict[int, Callable[[bytes], PublicKeyTypes]]] = {
    ML_DSA_44: mldsa.MLDSA44PublicKey.from_public_bytes,
    ML_DSA_65: mldsa.MLDSA65PublicKey.from_public_bytes,
    ML_DSA_87: mldsa.MLDSA87PublicKey.from_public_bytes,
}
_RSA_ALGORITHMS: Final = (RS256, RS384, RS512, PS256, PS384, PS512)

T = TypeVar("T")
Fields = dict[CborKey, CborValue]


@dataclass(frozen=True, slots=True)
class CoseKey:
    """A public key: its COSE algorithm (None where it names none) and its DER SubjectPublicKeyInfo."""

    algorithm: int | None
    spki: bytes


def parse_cose_key(value: CborValue, *, algorithm_required: bool = False) -> CoseKey:
    """Read a decoded COSE_Key of type OKP, EC2, RSA or AKP.

    EvidenceError: MALFORMED for what is no public key, UNSUPPORTED_ALGORITHM for types, curves and algorithms that do
    not count (among them RS1, RSA with SHA-1) or do not fit the key.
    """
    if not isinstance(value, dict):
        raise EvidenceError("COSE key is not a map")
    algorithm = value.get(_ALG)
    if algorithm is None and not algorithm_required:
        found = None
    elif isinstance(algorithm, int) and not isinstance(algorithm, bool):
        found = algorithm
    else:
        raise EvidenceError("COSE key names no algorithm")
    kty = value.get(_KTY)
    readers: dict[int, Callable[[Fields, int | None], PublicKeyTypes]] = {
        _OKP: _okp, _EC2: _ec2, _RSA: _rsa, _AKP: _akp,
    }  # fmt: skip
    if not isinstance(kty, int) or kty not in readers:
        raise EvidenceError("COSE key is of a type not in use", reason=Reason.UNSUPPORTED_ALGORITHM)
    if any(label in value for label in _PRIVATE[kty]):
        raise EvidenceError("COSE key carries its private part")
    try:
        key = readers[kty](value, found)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise EvidenceError("COSE key is no point, modulus or public key of its kind") from error
    return CoseKey(found, key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _okp(value: Fields, algorithm: int | None) -> PublicKeyTypes:
    load, algorithms = _known(_EDWARDS, value.get(-1))
    _must_fit(algorithm, algorithms)
    return load(_octets(value, -2, at_most=57))


def _ec2(value: Fields, algorithm: int | None) -> PublicKeyTypes:
    curve, size, algorithms = _known(_CURVES, value.get(-1))
    _must_fit(algorithm, algorithms)
    x, y = (_octets(value, label, at_most=size) for label in (-2, -3))
    if len(x) != size or len(y) != size:
        raise EvidenceError(f"coordinates of {len(x)} and {len(y)} bytes, {size} are needed")
    return ec.EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), curve).public_key()


def _rsa(value: Fields, algorithm: int | None) -> PublicKeyTypes:
    _must_fit(algorithm, _RSA_ALGORITHMS)
    modulus = _octets(value, -1, at_most=MAX_MODULUS_BYTES)
    exponent = _octets(value, -2, at_most=MAX_EXPONENT_BYTES)
    return rsa.RSAPublicNumbers(int.from_bytes(exponent), int.from_bytes(modulus)).public_key()


def _akp(value: Fields, algorithm: int | None) -> PublicKeyTypes:
    """RFC 9964: the algorithm alone says which parameter set the key belongs to."""
    return _known(_MLDSA, algorithm)(_octets(value, -1, at_most=2592))


def _known(table: dict[int, T], label: CborValue) -> T:
    found = table.get(label) if isinstance(label, int) else None
    if found is None:
        raise EvidenceError("COSE key has a curve or algorithm not in use", reason=Reason.UNSUPPORTED_ALGORITHM)
    return found


def _must_fit(algorithm: int | None, allowed: tuple[int, ...]) -> None:
    if algorithm is not None and algorithm not in allowed:
        detail = f"COSE algorithm {algorithm} is not in use or does not fit the key"
        raise EvidenceError(detail, reason=Reason.UNSUPPORTED_ALGORITHM)


def _octets(value: Fields, label: int, *, at_most: int) -> bytes:
    found = value.get(label)
    if not isinstance(found, bytes) or not 1 <= len(found) <= at_most:
        raise EvidenceError(f"COSE key field {label} is not a string of 1 to {at_most} bytes")
    return found
