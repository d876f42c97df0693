"""The two tokens of Arm CCA and the claims of the realm (RMM specification 1.0, A7.2.3; draft-ffm-rats-cca-token).

The collection is a map {44234: platform token, 44241: realm token} under tag 399, or, in later drafts, under tag 907,
where each token may be an array of its content format and its bytes.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from attestation import cbor
from attestation.cbor import CborValue, Tagged
from attestation.cose_key import parse_cose_key
from attestation.errors import EvidenceError
from attestation.formats.arm_claims import HASH_BYTES, Fields, claim_map, octets, text
from attestation.reasons import Reason

COLLECTION_TAGS: Final = (399, 907)
PLATFORM_TOKEN: Final = 44234
REALM_TOKEN: Final = 44241

CHALLENGE: Final = 10
PERSONALIZATION: Final = 44235
HASH_ALGORITHM: Final = 44236
PUBLIC_KEY: Final = 44237
INITIAL_MEASUREMENT: Final = 44238
EXTENSIBLE_MEASUREMENTS: Final = 44239
PUBLIC_KEY_HASH: Final = 44240

_COLLECTION_TYPE: Final = "__cmwc_t"  # RFC 9999: the collection may name its type
_REGISTERS: Final = 4
_HASHES: Final = {"sha-256": "sha256", "sha-384": "sha384", "sha-512": "sha512"}
_CURVES: Final[dict[int, ec.EllipticCurve]] = {65: ec.SECP256R1(), 97: ec.SECP384R1(), 133: ec.SECP521R1()}
_UNCOMPRESSED: Final = 0x04


@dataclass(frozen=True, slots=True)
class RealmKey:
    """The realm attestation key (RAK): DER SubjectPublicKeyInfo, and its hash, which the platform must name."""

    spki: bytes
    digest: bytes


@dataclass(frozen=True, slots=True)
class RealmClaims:
    challenge: bytes
    personalization: bytes
    hash_algorithm: str
    initial: bytes
    extensible: tuple[bytes, ...]


def split_collection(data: bytes) -> tuple[bytes, bytes]:
    """Platform token and realm token; EvidenceError for anything else."""
    collection = cbor.decode(data)
    if not isinstance(collection, Tagged) or collection.tag not in COLLECTION_TAGS:
        raise EvidenceError("evidence is not a CCA token collection (CBOR tag 399 or 907)")
    tokens = collection.value
    if not isinstance(tokens, dict) or tokens.keys() - {_COLLECTION_TYPE} != {PLATFORM_TOKEN, REALM_TOKEN}:
        raise EvidenceError("CCA token collection is not one platform token and one realm token")
    return _token(tokens[PLATFORM_TOKEN]), _token(tokens[REALM_TOKEN])


def _token(value: CborValue) -> bytes:
    if isinstance(value, tuple) and len(value) in (2, 3):
        value = value[1]
    if not isinstance(value, bytes):
        raise EvidenceError("token in the collection is not a byte string")
    return value


def parse_realm_key(payload: bytes) -> RealmKey:
    """The RAK as a raw point or, in later profiles, as a COSE_Key; the hash is over the claim as it stands."""
    fields = claim_map(payload)
    value = octets(fields, PUBLIC_KEY, range(1, 1025))
    name = text(fields, PUBLIC_KEY_HASH)
    if name not in _HASHES:
        raise EvidenceError(f"hash {name[:16]!r} of the realm's key", reason=Reason.UNSUPPORTED_ALGORITHM)
    return RealmKey(_realm_spki(value), hashlib.new(_HASHES[name], value).digest())


def _realm_spki(value: bytes) -> bytes:
    curve = _CURVES.get(len(value))
    if curve is None or value[0] != _UNCOMPRESSED:
        return parse_cose_key(cbor.decode(value)).spki
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(curve, value)
    except ValueError as error:
        raise EvidenceError("the realm's key is no point of its curve") from error
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def parse_realm_claims(payload: bytes) -> RealmClaims:
    """EvidenceError when a claim is missing, of a wrong type or size."""
    fields = claim_map(payload)
    return RealmClaims(
        challenge=octets(fields, CHALLENGE, {64}),
        personalization=octets(fields, PERSONALIZATION, {64}),
        hash_algorithm=text(fields, HASH_ALGORITHM),
        initial=octets(fields, INITIAL_MEASUREMENT, HASH_BYTES),
        extensible=_registers(fields),
    )


def _registers(fields: Fields) -> tuple[bytes, ...]:
    found = fields.get(EXTENSIBLE_MEASUREMENTS)
    if not isinstance(found, tuple) or len(found) != _REGISTERS:
        raise EvidenceError(f"extensible measurements are not {_REGISTERS}")
    values = tuple(item for item in found if isinstance(item, bytes) and len(item) in HASH_BYTES)
    if len(values) != _REGISTERS:
        raise EvidenceError("extensible measurement is not a digest")
    return values
