"""TPMT_PUBLIC: the public area of a TPM object, its name and its key (TPM 2.0 Library, Part 2, 12.2.4)."""

import hashlib
import hmac
from dataclasses import dataclass, field
from enum import IntFlag
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from attestation.errors import EvidenceError
from attestation.reasons import Reason
from attestation.tpm_reader import HASH_NAMES, TpmAlgorithm, TpmReader

MAX_PUBLIC_BYTES: Final = 2048
MAX_DIGEST_BYTES: Final = 64
MAX_MODULUS_BYTES: Final = 1024  # RSA-8192; TPMs make 2048 to 4096
MAX_COORDINATE_BYTES: Final = 66  # P-521

# TPM_ECC_CURVE (TCG Algorithm Registry, table 4). BN and SM2 curves are not here: nothing below can verify with them.
CURVES: Final[dict[int, ec.EllipticCurve]] = {0x0003: ec.SECP256R1(), 0x0004: ec.SECP384R1(), 0x0005: ec.SECP521R1()}

_HASHED_SCHEMES: Final = frozenset(
    {
        TpmAlgorithm.RSASSA, TpmAlgorithm.RSAPSS, TpmAlgorithm.OAEP, TpmAlgorithm.ECDSA, TpmAlgorithm.ECDH,
        TpmAlgorithm.ECDAA, TpmAlgorithm.SM2, TpmAlgorithm.ECSCHNORR, TpmAlgorithm.ECMQV,
    }
)  # fmt: skip


class ObjectAttribute(IntFlag):
    """TPMA_OBJECT (Part 2, 8.3). Bits without a name are kept, so that newer TPMs can be read."""

    FIXED_TPM = 1 << 1
    ST_CLEAR = 1 << 2
    FIXED_PARENT = 1 << 4
    SENSITIVE_DATA_ORIGIN = 1 << 5
    USER_WITH_AUTH = 1 << 6
    ADMIN_WITH_POLICY = 1 << 7
    FIRMWARE_LIMITED = 1 << 8
    SVN_LIMITED = 1 << 9
    NO_DA = 1 << 10
    ENCRYPTED_DUPLICATION = 1 << 11
    RESTRICTED = 1 << 16
    DECRYPT = 1 << 17
    SIGN = 1 << 18
    X509_SIGN = 1 << 19


_ATTRIBUTE_NAMES: Final = {
    ObjectAttribute.FIXED_TPM: "fixedTPM",
    ObjectAttribute.ST_CLEAR: "stClear",
    ObjectAttribute.FIXED_PARENT: "fixedParent",
    ObjectAttribute.SENSITIVE_DATA_ORIGIN: "sensitiveDataOrigin",
    ObjectAttribute.USER_WITH_AUTH: "userWithAuth",
    ObjectAttribute.ADMIN_WITH_POLICY: "adminWithPolicy",
    ObjectAttribute.FIRMWARE_LIMITED: "firmwareLimited",
    ObjectAttribute.SVN_LIMITED: "svnLimited",
    ObjectAttribute.NO_DA: "noDA",
    ObjectAttribute.ENCRYPTED_DUPLICATION: "encryptedDuplication",
    ObjectAttribute.RESTRICTED: "restricted",
    ObjectAttribute.DECRYPT: "decrypt",
    ObjectAttribute.SIGN: "sign",
    ObjectAttribute.X509_SIGN: "x509sign",
}


@dataclass(frozen=True, slots=True)
class Scheme:
    """Signing or key-derivation scheme of a key. `algorithm` NULL means that the caller chooses at each use."""

    algorithm: int
    hash_algorithm: int | None


@dataclass(frozen=True, slots=True)
class Symmetric:
    """Symmetric cipher that a parent protects its children with; `algorithm` NULL for keys that are no parents."""

    algorithm: int
    key_bits: int
    mode: int


@dataclass(frozen=True, slots=True)
class RsaKey:
    bits: int
    exponent: int
    modulus: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class EccKey:
    curve: int
    x: bytes = field(repr=False)
    y: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class TpmPublic:
    """One public area. `encoded` is the TPMT_PUBLIC as it came: names are computed over exactly these bytes."""

    encoded: bytes = field(repr=False)
    name_algorithm: int
    attributes: ObjectAttribute
    auth_policy: bytes
    symmetric: Symmetric
    scheme: Scheme
    key: RsaKey | EccKey

    @property
    def name(self) -> bytes:
        """The object's name, nameAlg || H(public area) (Part 1, 16); EvidenceError where its hash is unknown."""
        if self.name_algorithm not in HASH_NAMES:
            detail = f"name algorithm 0x{self.name_algorithm:04x} is not supported"
            raise EvidenceError(detail, reason=Reason.UNSUPPORTED_ALGORITHM)
        digest = hashlib.new(HASH_NAMES[self.name_algorithm], self.encoded).digest()
        return self.name_algorithm.to_bytes(2) + digest

    def hash_matches(self, data: bytes, digest: bytes) -> bool:
        """Whether `digest` is the hash of `data` in the object's name algorithm (creation data, Part 3, 18.3)."""
        name = HASH_NAMES.get(self.name_algorithm)
        return name is not None and hmac.compare_digest(hashlib.new(name, data).digest(), digest)

    @property
    def attribute_names(self) -> tuple[str, ...]:
        """Names of the set attributes as the specification writes them, lowest bit first."""
        return tuple(text for flag, text in _ATTRIBUTE_NAMES.items() if flag in self.attributes)

    @property
    def spki(self) -> bytes:
        """DER SubjectPublicKeyInfo; EvidenceError when the numbers are no key (point off its curve, even modulus)."""
        return _rsa_spki(self.key) if isinstance(self.key, RsaKey) else _ecc_spki(self.key)


def parse_public(data: bytes) -> TpmPublic:
    """Read one TPMT_PUBLIC of an RSA or ECC key that fills `data` (at most 2 KiB)."""
    reader = TpmReader(data, name="public area", at_most=MAX_PUBLIC_BYTES)
    kind = reader.number(2)
    if kind not in (TpmAlgorithm.RSA, TpmAlgorithm.ECC):
        raise EvidenceError(f"object type 0x{kind:04x} is no RSA or ECC key", reason=Reason.UNSUPPORTED_ALGORITHM)
    name_algorithm = reader.number(2)
    attributes = ObjectAttribute(reader.number(4))
    auth_policy = reader.sized(at_most=MAX_DIGEST_BYTES)
    symmetric = _symmetric(reader)
    scheme = _scheme(reader)
    key = _rsa_key(reader) if kind == TpmAlgorithm.RSA else _ecc_key(reader)
    reader.end()
    return TpmPublic(data, name_algorithm, attributes, auth_policy, symmetric, scheme, key)


def _symmetric(reader: TpmReader) -> Symmetric:
    algorithm = reader.number(2)
    if algorithm == TpmAlgorithm.NULL:
        return Symmetric(algorithm, 0, TpmAlgorithm.NULL)
    if algorithm not in (TpmAlgorithm.AES, TpmAlgorithm.SM4, TpmAlgorithm.CAMELLIA):
        raise EvidenceError(f"symmetric algorithm 0x{algorithm:04x}", reason=Reason.UNSUPPORTED_ALGORITHM)
    return Symmetric(algorithm, reader.number(2), reader.number(2))


def _scheme(reader: TpmReader) -> Scheme:
    algorithm = reader.number(2)
    if algorithm in (TpmAlgorithm.NULL, TpmAlgorithm.RSAES):
        return Scheme(algorithm, None)
    if algorithm not in _HASHED_SCHEMES:
        raise EvidenceError(f"key scheme 0x{algorithm:04x}", reason=Reason.UNSUPPORTED_ALGORITHM)
    scheme = Scheme(algorithm, reader.number(2))
    if algorithm == TpmAlgorithm.ECDAA:
        reader.number(2)  # count, of no use outside the TPM
    return scheme


def _rsa_key(reader: TpmReader) -> RsaKey:
    bits, exponent = reader.number(2), reader.number(4) or 65537  # 0 stands for the usual exponent (12.2.3.5)
    modulus = reader.sized(at_most=MAX_MODULUS_BYTES)
    if int.from_bytes(modulus).bit_length() != bits:
        raise EvidenceError(f"RSA modulus has not the {bits} bits that its public area names")
    return RsaKey(bits, exponent, modulus)


def _ecc_key(reader: TpmReader) -> EccKey:
    curve = reader.number(2)
    if reader.number(2) != TpmAlgorithm.NULL:  # the key derivation scheme, with its hash
        reader.number(2)
    return EccKey(curve, reader.sized(at_most=MAX_COORDINATE_BYTES), reader.sized(at_most=MAX_COORDINATE_BYTES))


def _rsa_spki(key: RsaKey) -> bytes:
    try:
        public = rsa.RSAPublicNumbers(key.exponent, int.from_bytes(key.modulus)).public_key()
    except ValueError as error:
        raise EvidenceError("RSA key of the public area cannot be one") from error
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _ecc_spki(key: EccKey) -> bytes:
    curve = CURVES.get(key.curve)
    if curve is None:
        raise EvidenceError(f"curve 0x{key.curve:04x} is not supported", reason=Reason.UNSUPPORTED_ALGORITHM)
    try:
        numbers = ec.EllipticCurvePublicNumbers(int.from_bytes(key.x), int.from_bytes(key.y), curve)
        public = numbers.public_key()
    except ValueError as error:
        detail = "ECC point of the public area is not on its curve"
        raise EvidenceError(detail, reason=Reason.BAD_SIGNATURE) from error  # nothing can verify with it
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
