"""Private keys as they travel: DER in, secrets out, and back. Formats: hallmark_envelope.transfer.

Pure; used in signer processes only, because what passes through is the clear private key.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from hallmark_composite import CompositeAlgorithm, EcCurve, MlDsaParameterSet
from hallmark_envelope import SEED_SIZE, HpkeKem

from . import der
from .der import DerError
from .engine import EngineFault
from .errors import ImportRefused
from .key_targets import CURVES, Target
from .secret import Secret

MAX_ENCODED_SIZE: Final = 16_384
ExpandSeed = Callable[[MlDsaParameterSet, bytes], tuple[bytes, bytes]]
"""(public key, expanded private key) of a seed, both in FIPS 204 encoding. Raises EngineFault."""
ML_DSA_OIDS: Final = {
    MlDsaParameterSet.ML_DSA_44: "2.16.840.1.101.3.4.3.17",
    MlDsaParameterSet.ML_DSA_65: "2.16.840.1.101.3.4.3.18",
    MlDsaParameterSet.ML_DSA_87: "2.16.840.1.101.3.4.3.19",
}
"""RFC 9881, section 2."""
_EXPANDED_SIZES: Final = {
    MlDsaParameterSet.ML_DSA_44: 2560,
    MlDsaParameterSet.ML_DSA_65: 4032,
    MlDsaParameterSet.ML_DSA_87: 4896,
}
"""FIPS 204, table 2."""
_EC_OID: Final = "1.2.840.10045.2.1"
"""id-ecPublicKey (RFC 5480, section 2.1.1)."""
_ED25519_OID: Final = "1.3.101.112"
"""RFC 8410, section 3."""
_CURVE_OIDS: Final = {EcCurve.P256: "1.2.840.10045.3.1.7", EcCurve.P384: "1.3.132.0.34"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearKey:
    """The secrets of one key. `seed` of ML-DSA or HPKE; `classical` the EC scalar (big endian) or Ed25519 seed."""

    seed: Secret | None = field(default=None, repr=False)
    classical: Secret | None = field(default=None, repr=False)


def parse(target: Target, encoded: bytes, *, expand: ExpandSeed | None) -> ClearKey:
    """Raises ImportRefused. `expand` checks an expanded ML-DSA key against its seed; None: such keys are refused."""
    if len(encoded) > MAX_ENCODED_SIZE:
        raise ImportRefused(f"a private key may have {MAX_ENCODED_SIZE} bytes")
    try:
        match target:
            case CompositeAlgorithm():
                return _parse_composite(target, encoded)
            case MlDsaParameterSet():
                return ClearKey(seed=_parse_ml_dsa(target, encoded, expand))
            case EcCurve():
                return ClearKey(classical=_parse_ec(target, encoded))
            case HpkeKem():
                return ClearKey(seed=_parse_seed(encoded))
            case _:
                return ClearKey(classical=_parse_ed25519(encoded))
    except DerError:
        raise ImportRefused(f"the private key is not the DER that a key of {target} has") from None


def encode(target: Target, key: ClearKey) -> bytes:
    """The inverse: PKCS#8 with the seed form, or the bare seed of an HPKE key."""
    match target:
        case CompositeAlgorithm():
            assert key.seed is not None
            assert key.classical is not None
            private = key.seed.reveal() + _ec_private_key(target.curve, key.classical.reveal())
            return _pkcs8(target.oid, private)
        case MlDsaParameterSet():
            assert key.seed is not None
            return _pkcs8(ML_DSA_OIDS[target], der.element(der.CONTEXT_0, key.seed.reveal()))
        case HpkeKem():
            assert key.seed is not None
            return key.seed.reveal()
        case EcCurve():
            assert key.classical is not None
            scalar = int.from_bytes(key.classical.reveal(), "big")
            private_key = ec.derive_private_key(scalar, CURVES[target])
            return private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        case _:
            assert key.classical is not None
            edwards = ed25519.Ed25519PrivateKey.from_private_bytes(key.classical.reveal())
            return edwards.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def _parse_composite(algorithm: CompositeAlgorithm, encoded: bytes) -> ClearKey:
    private = _open_pkcs8(algorithm.oid, encoded)
    seed, ec_private = private[:SEED_SIZE], private[SEED_SIZE:]
    scalar = _parse_ec_private_key(algorithm.curve, ec_private)
    return ClearKey(seed=Secret(seed), classical=scalar)


def _parse_ml_dsa(parameter_set: MlDsaParameterSet, encoded: bytes, expand: ExpandSeed | None) -> Secret:
    """The three forms of RFC 9881, section 6: seed [0], expandedKey OCTET STRING, both SEQUENCE."""
    private = _open_pkcs8(ML_DSA_OIDS[parameter_set], encoded)
    match private[:1]:
        case b"\x80":
            return _seed(der.take_only(private, der.CONTEXT_0))
        case b"\x04":
            raise ImportRefused(
                "this is an expanded ML-DSA key without its seed, which cannot be checked nor kept: export it again "
                "with the seed (OpenSSL: -provparam ml-dsa.output_formats=seed-only)"
            )
        case _:
            seed, rest = der.take(der.take_only(private, der.SEQUENCE), der.OCTET_STRING)
            expanded = der.take_only(rest, der.OCTET_STRING)
            _check_expanded(parameter_set, seed, expanded, expand)
            return _seed(seed)


def _check_expanded(parameter_set: MlDsaParameterSet, seed: bytes, expanded: bytes, expand: ExpandSeed | None) -> None:
    """RFC 9881, section 8.2: the two forms in one key must agree."""
    if expand is None:
        raise ImportRefused("seed and expanded key cannot be compared here (no PyCryptodome): send the seed form")
    if len(expanded) != _EXPANDED_SIZES[parameter_set] or len(seed) != SEED_SIZE:
        raise DerError
    try:
        _, wanted = expand(parameter_set, seed)
    except EngineFault:
        raise DerError from None
    if not hmac.compare_digest(wanted, expanded):
        raise ImportRefused("the seed and the expanded key in this ML-DSA key do not belong together")


def _parse_ec(curve: EcCurve, encoded: bytes) -> Secret:
    """PKCS#8 or a bare ECPrivateKey."""
    if not _is_sec1(encoded) and not _is_pkcs8_of(_EC_OID, encoded):
        raise ImportRefused(f"this is not a private key on {curve.value}")
    try:
        key = load_der_private_key(encoded, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise DerError from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, type(CURVES[curve])):
        raise ImportRefused(f"this is not a private key on {curve.value}")
    return Secret(key.private_numbers().private_value.to_bytes(curve.coordinate_size, "big"))


def _parse_ec_private_key(curve: EcCurve, encoded: bytes) -> Secret:
    """ECPrivateKey exactly as the composite draft writes it: named curve, no public key."""
    _, rest = der.take(der.take_only(encoded, der.SEQUENCE), der.INTEGER)
    scalar, _ = der.take(rest, der.OCTET_STRING)
    if len(scalar) != curve.coordinate_size or encoded != _ec_private_key(curve, scalar):
        raise DerError
    try:
        ec.derive_private_key(int.from_bytes(scalar, "big"), CURVES[curve])
    except ValueError:
        raise ImportRefused(f"the EC half is not a private key on {curve.value}") from None
    return Secret(scalar)


def _parse_ed25519(encoded: bytes) -> Secret:
    if not _is_pkcs8_of(_ED25519_OID, encoded):
        raise ImportRefused("this is not an Ed25519 private key")
    try:
        key = load_der_private_key(encoded, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise DerError from None
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise ImportRefused("this is not an Ed25519 private key")
    return Secret(key.private_bytes_raw())


def _parse_seed(encoded: bytes) -> Secret:
    if len(encoded) != SEED_SIZE:
        raise ImportRefused(f"an HPKE private key travels as its seed of {SEED_SIZE} bytes")
    return Secret(encoded)


def _seed(seed: bytes) -> Secret:
    if len(seed) != SEED_SIZE:
        raise DerError
    return Secret(seed)


def _pkcs8(oid: str, private: bytes) -> bytes:
    """PrivateKeyInfo, version 0, algorithm without parameters (RFC 5958, section 2)."""
    algorithm = der.element(der.SEQUENCE, der.object_identifier(oid))
    return der.element(der.SEQUENCE, b"\x02\x01\x00" + algorithm + der.element(der.OCTET_STRING, private))


def _is_pkcs8_of(oid: str, encoded: bytes) -> bool:
    """Asked before OpenSSL sees a key: to load an RSA key means to test its primes, which may take it minutes.

    Raises DerError.
    """
    _, rest = der.take(der.take_only(encoded, der.SEQUENCE), der.INTEGER)
    return der.take(rest, der.SEQUENCE)[0].startswith(der.object_identifier(oid))


def _is_sec1(encoded: bytes) -> bool:
    """An ECPrivateKey begins with a number and an OCTET STRING (RFC 5915, section 3). Raises DerError."""
    _, rest = der.take(der.take_only(encoded, der.SEQUENCE), der.INTEGER)
    return rest.startswith(bytes((der.OCTET_STRING,)))


def _open_pkcs8(oid: str, encoded: bytes) -> bytes:
    """The privateKey of a PrivateKeyInfo for that algorithm, without attributes or public key."""
    version, rest = der.take(der.take_only(encoded, der.SEQUENCE), der.INTEGER)
    algorithm, rest = der.take(rest, der.SEQUENCE)
    if version != b"\x00":
        raise DerError
    if algorithm != der.object_identifier(oid):
        raise ImportRefused(f"this key's algorithm is not {oid}")
    return der.take_only(rest, der.OCTET_STRING)


def _ec_private_key(curve: EcCurve, scalar: bytes) -> bytes:
    """RFC 5915, section 3, without publicKey."""
    parameters = der.element(der.CONTEXT_0_CONSTRUCTED, der.object_identifier(_CURVE_OIDS[curve]))
    return der.element(der.SEQUENCE, b"\x02\x01\x01" + der.element(der.OCTET_STRING, scalar) + parameters)
