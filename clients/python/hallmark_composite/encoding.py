"""Byte layouts: composite keys and signatures, DER Ecdsa-Sig-Value, SubjectPublicKeyInfo. All strict, all pure.

Sources: draft-ietf-lamps-pq-composite-sigs-19, sections 4 and 5; SEC 1 2.3.3 (points); RFC 3279 2.2.3
(Ecdsa-Sig-Value); X.690 section 10 (DER); RFC 5280 4.1.2.7 and RFC 7468 section 13 (SPKI, PEM).
"""

import base64
import binascii
import re
from typing import Final

from .algorithms import ALGORITHMS, CompositeAlgorithm, EcCurve
from .errors import InvalidSignature, MalformedPublicKey

UNCOMPRESSED_POINT: Final = 0x04
_INTEGER: Final = 0x02
_SEQUENCE: Final = 0x30

_PEM: Final = re.compile(
    rb"\s*-----BEGIN PUBLIC KEY-----\s*([A-Za-z0-9+/=\s]{4,8192})-----END PUBLIC KEY-----\s*", re.ASCII
)
_PEM_LINE: Final = 64


def join_public_key(algorithm: CompositeAlgorithm, *, ml_dsa: bytes, ec_point: bytes) -> bytes:
    """The key is mldsaPK || tradPK. Raises MalformedPublicKey when a half has the wrong size or form."""
    if len(ml_dsa) != algorithm.ml_dsa.public_key_size:
        raise MalformedPublicKey(f"the ML-DSA half of {algorithm} has {algorithm.ml_dsa.public_key_size} bytes")
    if len(ec_point) != algorithm.curve.point_size or ec_point[0] != UNCOMPRESSED_POINT:
        raise MalformedPublicKey(f"the ECDSA half of {algorithm} is an uncompressed {algorithm.curve.value} point")
    return ml_dsa + ec_point


def split_public_key(algorithm: CompositeAlgorithm, public_key: bytes) -> tuple[bytes, bytes]:
    """(mldsaPK, tradPK). Raises MalformedPublicKey."""
    if len(public_key) != algorithm.public_key_size:
        raise MalformedPublicKey(f"a public key of {algorithm} has {algorithm.public_key_size} bytes")
    ml_dsa = public_key[: algorithm.ml_dsa.public_key_size]
    ec_point = public_key[algorithm.ml_dsa.public_key_size :]
    join_public_key(algorithm, ml_dsa=ml_dsa, ec_point=ec_point)
    return ml_dsa, ec_point


def join_signature(algorithm: CompositeAlgorithm, *, ml_dsa: bytes, ecdsa_der: bytes) -> bytes:
    """The signature is mldsaSig || tradSig. Raises InvalidSignature when a half has the wrong size or form."""
    if len(ml_dsa) != algorithm.ml_dsa.signature_size:
        raise InvalidSignature(f"the ML-DSA half of {algorithm} has {algorithm.ml_dsa.signature_size} bytes")
    decode_ecdsa_der(algorithm.curve, ecdsa_der)
    return ml_dsa + ecdsa_der


def split_signature(algorithm: CompositeAlgorithm, signature: bytes) -> tuple[bytes, bytes]:
    """(mldsaSig, tradSig in DER). Raises InvalidSignature."""
    if not algorithm.ml_dsa.signature_size < len(signature) <= algorithm.max_signature_size:
        raise InvalidSignature(f"no signature of {algorithm} has {len(signature)} bytes")
    ml_dsa = signature[: algorithm.ml_dsa.signature_size]
    ecdsa_der = signature[algorithm.ml_dsa.signature_size :]
    decode_ecdsa_der(algorithm.curve, ecdsa_der)
    return ml_dsa, ecdsa_der


def encode_ecdsa_der(curve: EcCurve, raw: bytes) -> bytes:
    """DER of r || s, the form tokens give: two big-endian numbers of `curve.coordinate_size` bytes.

    Raises InvalidSignature for another length, or r or s of zero.
    """
    size = curve.coordinate_size
    if len(raw) != 2 * size:
        raise InvalidSignature(f"a raw {curve.value} signature has {2 * size} bytes")
    body = b"".join(_encode_integer(int.from_bytes(half, "big")) for half in (raw[:size], raw[size:]))
    return bytes((_SEQUENCE, len(body))) + body


def decode_ecdsa_der(curve: EcCurve, der: bytes) -> tuple[int, int]:
    """(r, s), each at least 1 and at most `curve.coordinate_size` bytes long. Raises InvalidSignature unless it is DER.

    The longest body is 102 bytes, so every length fits one byte (X.690 8.1.3.4).
    """
    if len(der) < 2 or der[0] != _SEQUENCE or der[1] > 0x7F or der[1] != len(der) - 2:
        raise InvalidSignature("the ECDSA half is not a DER Ecdsa-Sig-Value")
    r, rest = _decode_integer(curve, der[2:])
    s, rest = _decode_integer(curve, rest)
    if rest:
        raise InvalidSignature("the ECDSA half has bytes after its two numbers")
    return r, s


def _encode_integer(value: int) -> bytes:
    if value == 0:
        raise InvalidSignature("r and s of an ECDSA signature are never zero")
    content = value.to_bytes(value.bit_length() // 8 + 1, "big")
    return bytes((_INTEGER, len(content))) + content


def _decode_integer(curve: EcCurve, data: bytes) -> tuple[int, bytes]:
    if len(data) < 3 or data[0] != _INTEGER or not 1 <= data[1] <= curve.coordinate_size + 1:
        raise InvalidSignature("the ECDSA half does not hold two DER integers")
    content, rest = data[2 : 2 + data[1]], data[2 + data[1] :]
    value = int.from_bytes(content, "big")
    if value == 0 or value.bit_length() > 8 * curve.coordinate_size or data[: 2 + data[1]] != _encode_integer(value):
        raise InvalidSignature("r and s are positive, minimal DER integers no longer than the curve's order")
    return value, rest


def encode_spki(algorithm: CompositeAlgorithm, public_key: bytes) -> bytes:
    """DER SubjectPublicKeyInfo: algorithm without parameters, BIT STRING of the raw composite key."""
    return _spki_prefix(algorithm) + public_key


def decode_spki(der: bytes) -> tuple[CompositeAlgorithm, bytes]:
    """(algorithm, raw composite key). Raises MalformedPublicKey.

    For one algorithm everything before the key is constant (its OID, no parameters, fixed sizes), so DER is checked by
    comparison and there is nothing to parse.
    """
    for algorithm in ALGORITHMS.values():
        prefix = _spki_prefix(algorithm)
        if der.startswith(prefix) and len(der) == len(prefix) + algorithm.public_key_size:
            return algorithm, der[len(prefix) :]
    raise MalformedPublicKey("not a DER SubjectPublicKeyInfo of a composite algorithm known here")


def algorithm_identifier(der: bytes) -> CompositeAlgorithm | None:
    """The algorithm that this DER AlgorithmIdentifier names, without parameters; None for any other."""
    return next((algorithm for algorithm in ALGORITHMS.values() if _identifier(algorithm) == der), None)


def encode_pem(der: bytes) -> str:
    text = base64.b64encode(der).decode("ascii")
    lines = [text[start : start + _PEM_LINE] for start in range(0, len(text), _PEM_LINE)]
    return "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""])


def decode_pem(pem: bytes) -> bytes:
    """DER of exactly one PUBLIC KEY block. Raises MalformedPublicKey."""
    match = _PEM.fullmatch(pem)
    if match is None:
        raise MalformedPublicKey("not one PEM block of type PUBLIC KEY")
    try:
        return base64.b64decode(b"".join(match[1].split()), validate=True)
    except binascii.Error:
        raise MalformedPublicKey("the PEM block is not base64") from None


def _spki_prefix(algorithm: CompositeAlgorithm) -> bytes:
    identifier = _identifier(algorithm)
    bits = b"\x03\x82" + (algorithm.public_key_size + 1).to_bytes(2, "big") + b"\x00"
    total = len(identifier) + len(bits) + algorithm.public_key_size
    return b"\x30\x82" + total.to_bytes(2, "big") + identifier + bits


def _identifier(algorithm: CompositeAlgorithm) -> bytes:
    """DER AlgorithmIdentifier."""
    first, second, *rest = (int(arc) for arc in algorithm.oid.split("."))
    arcs = bytes((40 * first + second, *rest))  # X.690 8.19; every arc of id-alg 1.3.6.1.5.5.7.6.x is below 128
    return bytes((_SEQUENCE, len(arcs) + 2, 0x06, len(arcs))) + arcs
