"""A small writer of TPM wire structures for the evidence factory. It writes what it is told, valid or not."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from attestation.tpm_public import CURVES
from attestation.tpm_reader import HASH_NAMES, TpmAlgorithm
from attestation.tpm_structures import TPM_GENERATED, AttestType, ObjectAttribute

TpmKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

AK_ATTRIBUTES: Final = (
    ObjectAttribute.FIXED_TPM
    | ObjectAttribute.FIXED_PARENT
    | ObjectAttribute.SENSITIVE_DATA_ORIGIN
    | ObjectAttribute.USER_WITH_AUTH
    | ObjectAttribute.RESTRICTED
    | ObjectAttribute.SIGN
)
EK_ATTRIBUTES: Final = (
    ObjectAttribute.FIXED_TPM
    | ObjectAttribute.FIXED_PARENT
    | ObjectAttribute.SENSITIVE_DATA_ORIGIN
    | ObjectAttribute.ADMIN_WITH_POLICY
    | ObjectAttribute.RESTRICTED
    | ObjectAttribute.DECRYPT
)
APP_KEY_ATTRIBUTES: Final = AK_ATTRIBUTES & ~ObjectAttribute.RESTRICTED

_AES128_CFB: Final = (TpmAlgorithm.AES, 128, TpmAlgorithm.CFB)
_HASHES: Final[dict[int, hashes.HashAlgorithm]] = {
    TpmAlgorithm.SHA1: hashes.SHA1(),  # noqa: S303 - to be refused
    TpmAlgorithm.SHA256: hashes.SHA256(),
    TpmAlgorithm.SHA384: hashes.SHA384(),
}
_CURVE_NUMBERS: Final = {curve.name: number for number, curve in CURVES.items()}


def u16(*values: int) -> bytes:
    return b"".join(value.to_bytes(2) for value in values)


def sized(data: bytes) -> bytes:
    return u16(len(data)) + data


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicFields:
    """Fields of a TPMT_PUBLIC besides the key. `scheme_hash` None writes scheme NULL."""

    attributes: int
    name_algorithm: int = TpmAlgorithm.SHA256
    scheme_hash: int | None = TpmAlgorithm.SHA256
    storage: bool = False  # a parent, with AES-128-CFB for its children

    def write(self, key: TpmKey) -> bytes:
        public = key.public_key()
        is_rsa = isinstance(public, rsa.RSAPublicKey)
        kind = TpmAlgorithm.RSA if is_rsa else TpmAlgorithm.ECC
        head = u16(kind, self.name_algorithm) + self.attributes.to_bytes(4) + sized(b"")
        symmetric = u16(*_AES128_CFB) if self.storage else u16(TpmAlgorithm.NULL)
        scheme = u16(TpmAlgorithm.NULL)
        if self.scheme_hash is not None:
            scheme = u16(TpmAlgorithm.RSASSA if is_rsa else TpmAlgorithm.ECDSA, self.scheme_hash)
        if isinstance(public, rsa.RSAPublicKey):
            numbers = public.public_numbers()
            return (
                head
                + symmetric
                + scheme
                + u16(public.key_size)
                + bytes(4)
                + sized(numbers.n.to_bytes(public.key_size // 8))
            )
        point, size = public.public_numbers(), (public.curve.key_size + 7) // 8
        curve = u16(_CURVE_NUMBERS[public.curve.name], TpmAlgorithm.NULL)
        return head + symmetric + scheme + curve + sized(point.x.to_bytes(size)) + sized(point.y.to_bytes(size))


def name_of(public_area: bytes) -> bytes:
    """NameAlg || H(public area)."""
    algorithm = int.from_bytes(public_area[2:4])
    return u16(algorithm) + hashlib.new(HASH_NAMES[algorithm], public_area).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestFields:
    """Fields of a TPMS_ATTEST besides the challenge and what is attested."""

    magic: int = TPM_GENERATED
    clock: int = 1_000_000
    reset_count: int = 5
    restart_count: int = 2
    safe: int = 1
    firmware_version: int = 0x0001_0002_0003_0004

    def write(self, kind: int, *, signer: bytes, challenge: bytes, attested: bytes) -> bytes:
        clock = self.clock.to_bytes(8) + self.reset_count.to_bytes(4) + self.restart_count.to_bytes(4)
        head = self.magic.to_bytes(4) + u16(kind) + sized(signer) + sized(challenge)
        return head + clock + bytes([self.safe]) + self.firmware_version.to_bytes(8) + attested


def quote_info(registers: Mapping[int, Mapping[int, bytes]], *, hash_name: str = "sha256") -> bytes:
    """TPMS_QUOTE_INFO over all registers given, by TPM_ALG_ID of the bank."""
    digest = hashlib.new(hash_name, b"".join(values[i] for values in registers.values() for i in sorted(values)))
    selections = b"".join(u16(bank) + b"\x03" + _bitmap(values) for bank, values in registers.items())
    return len(registers).to_bytes(4) + selections + sized(digest.digest())


def certify_info(name: bytes) -> bytes:
    """TPMS_CERTIFY_INFO; the qualified name is one of the right form."""
    return sized(name) + sized(name_of(u16(0, TpmAlgorithm.SHA256) + name))


def _bitmap(indices: Iterable[int]) -> bytes:
    return sum(1 << index for index in indices).to_bytes(3, "little")


def sign_structure(key: TpmKey, message: bytes, *, hash_algorithm: int = TpmAlgorithm.SHA256) -> bytes:
    """TPMT_SIGNATURE by RSASSA or ECDSA."""
    if isinstance(key, rsa.RSAPrivateKey):
        value = key.sign(message, padding.PKCS1v15(), _HASHES[hash_algorithm])
        return u16(TpmAlgorithm.RSASSA, hash_algorithm) + sized(value)
    size = (key.curve.key_size + 7) // 8
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(_HASHES[hash_algorithm])))
    return u16(TpmAlgorithm.ECDSA, hash_algorithm) + sized(r.to_bytes(size)) + sized(s.to_bytes(size))


QUOTE: Final = AttestType.QUOTE
CERTIFY: Final = AttestType.CERTIFY
CREATION: Final = AttestType.CREATION
