"""What a TPM signs, and its signature: TPMS_ATTEST of kinds quote, certify and creation, TPMT_SIGNATURE.

Source: TPM 2.0 Library, Part 2: Structures, 10.12 (attestation), 11.3 (signatures), 10.6 (PCR). Every parser reads
bytes that fill their structure exactly, and raises EvidenceError for all others.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from attestation.errors import EvidenceError
from attestation.reasons import Reason
from attestation.signatures import load_key
from attestation.tpm_public import (
    MAX_COORDINATE_BYTES,
    MAX_MODULUS_BYTES,
    EccKey,
    ObjectAttribute,
    RsaKey,
    Scheme,
    Symmetric,
    TpmPublic,
    parse_public,
)
from attestation.tpm_reader import HASH_BYTES, HASH_NAMES, TpmAlgorithm, TpmReader

__all__ = [
    "TPM_GENERATED",
    "AttestType",
    "CertifyInfo",
    "ClockInfo",
    "CreationInfo",
    "EccKey",
    "ObjectAttribute",
    "PcrSelection",
    "QuoteInfo",
    "RsaKey",
    "Scheme",
    "Symmetric",
    "TpmAttest",
    "TpmPublic",
    "TpmSignature",
    "check_tpm_signature",
    "parse_attest",
    "parse_public",
    "parse_signature",
]

TPM_GENERATED: Final = 0xFF544347  # "\xffTCG": a TPM refuses to sign foreign data that begins with it
MAX_ATTEST_BYTES: Final = 1024
MAX_SIGNATURE_BYTES: Final = 1100
MAX_NAME_BYTES: Final = 2 + 64
MAX_BANKS: Final = 16
MAX_SELECT_OCTETS: Final = 4  # 32 PCRs; PCs have 24

# SHA-1 is in the table because TPMs of old sign with it; whether it counts is the caller's question.
_SIGNATURE_HASHES: Final[dict[int, hashes.HashAlgorithm]] = {
    TpmAlgorithm.SHA1: hashes.SHA1(),  # noqa: S303
    TpmAlgorithm.SHA256: hashes.SHA256(),
    TpmAlgorithm.SHA384: hashes.SHA384(),
    TpmAlgorithm.SHA512: hashes.SHA512(),
}


class AttestType(IntEnum):
    """TPM_ST values of the three kinds that are read here (Part 2, 6.9)."""

    CERTIFY = 0x8017
    QUOTE = 0x8018
    CREATION = 0x801A


@dataclass(frozen=True, slots=True)
class ClockInfo:
    """TPMS_CLOCK_INFO: milliseconds since the TPM was last cleared, resets and resumptions. Unless the TPM keeps its
    clock as it should (`safe`), a sudden loss of power may have turned the clock back.
    """

    clock: int
    reset_count: int
    restart_count: int
    safe: bool


@dataclass(frozen=True, slots=True)
class PcrSelection:
    """Selected registers of one bank, ascending."""

    algorithm: int
    registers: tuple[int, ...]

    @property
    def bank(self) -> str:
        """Name of the bank's hash in hashlib, or the algorithm's number in hex."""
        return HASH_NAMES.get(self.algorithm, f"0x{self.algorithm:04x}")


@dataclass(frozen=True, slots=True)
class QuoteInfo:
    selections: tuple[PcrSelection, ...]
    pcr_digest: bytes


@dataclass(frozen=True, slots=True)
class CertifyInfo:
    """Name and qualified name of the certified object, each nameAlg || digest."""

    name: bytes
    qualified_name: bytes


@dataclass(frozen=True, slots=True)
class CreationInfo:
    """Name of the created object and the hash of its creation data."""

    name: bytes
    creation_hash: bytes


@dataclass(frozen=True, slots=True)
class TpmAttest:
    """A TPMS_ATTEST. `extra_data` is the caller's qualifying data (0 to 66 octets)."""

    magic: int
    type: AttestType
    qualified_signer: bytes
    extra_data: bytes
    clock: ClockInfo
    firmware_version: int
    attested: QuoteInfo | CertifyInfo | CreationInfo


@dataclass(frozen=True, slots=True)
class TpmSignature:
    """A TPMT_SIGNATURE in the form other software uses: RSA octets, or an ECDSA signature in DER."""

    algorithm: int
    hash_algorithm: int
    value: bytes


def parse_attest(data: bytes, *, expected: AttestType | None = None) -> TpmAttest:
    """Read one TPMS_ATTEST of at most 1 KiB, of one type or any; another type is WRONG_TYPE. A wrong magic is reported
    as BAD_SIGNATURE: such bytes may carry a true signature, because any key may sign any data that does not begin so.
    """
    reader = TpmReader(data, name="attestation structure", at_most=MAX_ATTEST_BYTES)
    magic = reader.number(4)
    if magic != TPM_GENERATED:
        detail = f"attestation structure begins with 0x{magic:08x}, so no TPM made it"
        raise EvidenceError(detail, reason=Reason.BAD_SIGNATURE)
    kind = reader.number(2)
    if kind not in AttestType.__members__.values():
        raise EvidenceError(f"attestation structure of type 0x{kind:04x}", reason=Reason.WRONG_TYPE)
    if expected not in (None, kind):
        detail = f"statement of type 0x{kind:04x} where a {expected.name.lower()} belongs"
        raise EvidenceError(detail, reason=Reason.WRONG_TYPE)
    qualified_signer = reader.sized(at_most=MAX_NAME_BYTES)
    extra_data = reader.sized(at_most=MAX_NAME_BYTES)
    # Only 1 means safe. The W3C's test vector for WebAuthn has another octet there, so it is no reason to refuse.
    clock = ClockInfo(reader.number(8), reader.number(4), reader.number(4), reader.number(1) == 1)
    firmware = reader.number(8)
    attested = _attested(reader, AttestType(kind))
    reader.end()
    return TpmAttest(magic, AttestType(kind), qualified_signer, extra_data, clock, firmware, attested)


def _attested(reader: TpmReader, kind: AttestType) -> QuoteInfo | CertifyInfo | CreationInfo:
    match kind:
        case AttestType.QUOTE:
            return QuoteInfo(_selections(reader), reader.sized(at_most=MAX_NAME_BYTES))
        case AttestType.CERTIFY:
            return CertifyInfo(reader.sized(at_most=MAX_NAME_BYTES), reader.sized(at_most=MAX_NAME_BYTES))
        case AttestType.CREATION:
            return CreationInfo(reader.sized(at_most=MAX_NAME_BYTES), reader.sized(at_most=MAX_NAME_BYTES))


def _selections(reader: TpmReader) -> tuple[PcrSelection, ...]:
    """TPML_PCR_SELECTION, in its order, which is the order of the digest."""
    count = reader.number(4)
    if count > MAX_BANKS:
        raise EvidenceError(f"PCR selection of {count} banks, at most {MAX_BANKS}")
    return tuple(_selection(reader) for _ in range(count))


def _selection(reader: TpmReader) -> PcrSelection:
    algorithm = reader.number(2)
    if algorithm not in HASH_BYTES:
        raise EvidenceError(f"PCR bank 0x{algorithm:04x}", reason=Reason.UNSUPPORTED_ALGORITHM)
    size = reader.number(1)
    if size > MAX_SELECT_OCTETS:
        raise EvidenceError(f"PCR selection of {size} octets, at most {MAX_SELECT_OCTETS}")
    select = reader.take(size)
    return PcrSelection(algorithm, tuple(i for i in range(8 * size) if select[i // 8] >> i % 8 & 1))


def parse_signature(data: bytes) -> TpmSignature:
    """Read one TPMT_SIGNATURE: RSASSA, RSAPSS or ECDSA."""
    reader = TpmReader(data, name="TPM signature", at_most=MAX_SIGNATURE_BYTES)
    algorithm = reader.number(2)
    if algorithm not in (TpmAlgorithm.RSASSA, TpmAlgorithm.RSAPSS, TpmAlgorithm.ECDSA):
        detail = f"signature algorithm 0x{algorithm:04x} is not supported"
        raise EvidenceError(detail, reason=Reason.UNSUPPORTED_ALGORITHM)
    hash_algorithm = reader.number(2)
    if algorithm == TpmAlgorithm.ECDSA:
        r, s = (int.from_bytes(reader.sized(at_most=MAX_COORDINATE_BYTES)) for _ in range(2))
        value = encode_dss_signature(r, s)
    else:
        value = reader.sized(at_most=MAX_MODULUS_BYTES)
    reader.end()
    return TpmSignature(algorithm, hash_algorithm, value)


def check_tpm_signature(signature: TpmSignature, *, spki: bytes, message: bytes) -> None:
    """Verify with the key of a DER SubjectPublicKeyInfo; EvidenceError with BAD_SIGNATURE or UNSUPPORTED_ALGORITHM."""
    key = load_key(spki)
    hash_algorithm = _SIGNATURE_HASHES.get(signature.hash_algorithm)
    if hash_algorithm is None:
        detail = f"signature hash 0x{signature.hash_algorithm:04x} is not supported"
        raise EvidenceError(detail, reason=Reason.UNSUPPORTED_ALGORITHM)
    try:
        if isinstance(key, rsa.RSAPublicKey) and signature.algorithm == TpmAlgorithm.RSASSA:
            key.verify(signature.value, message, padding.PKCS1v15(), hash_algorithm)
        elif isinstance(key, rsa.RSAPublicKey) and signature.algorithm == TpmAlgorithm.RSAPSS:
            # Part 1, B.7: a TPM takes the longest salt, in FIPS mode one as long as the hash.
            scheme = padding.PSS(padding.MGF1(hash_algorithm), padding.PSS.AUTO)
            key.verify(signature.value, message, scheme, hash_algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey) and signature.algorithm == TpmAlgorithm.ECDSA:
            key.verify(signature.value, message, ec.ECDSA(hash_algorithm))
        else:
            detail = f"signature algorithm 0x{signature.algorithm:04x} does not fit the key"
            raise EvidenceError(detail, reason=Reason.UNSUPPORTED_ALGORITHM)
    except InvalidSignature as error:
        raise EvidenceError("the TPM's signature does not verify", reason=Reason.BAD_SIGNATURE) from error
