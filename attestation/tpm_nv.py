"""What a TPM says of a counter in its NV memory: TPM2_NV_Certify, and the public area that makes the index a counter.

A counter only ever goes up, one at a time, also when its index is deleted and defined again: a new one begins above
every count that this TPM has ever reached (TPM 2.0 Library, Part 3, 31.8: TPM2_NV_Increment). So a certified value is
proof that what was sealed under a lower one is dead. The AK must be a restricted key of the TPM: see `check_counter`.

Source: TPM 2.0 Library 1.59, Part 2, 10.12.8 (TPMS_NV_CERTIFY_INFO), 13.2 to 13.5 (TPMS_NV_PUBLIC, TPMA_NV); Part 3,
31.16 (TPM2_NV_Certify).
"""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from attestation.errors import EvidenceError
from attestation.formats.tpm_keys import check_ak
from attestation.reasons import Reason
from attestation.tpm_public import TpmPublic
from attestation.tpm_reader import HASH_BYTES, HASH_NAMES, TpmAlgorithm, TpmReader
from attestation.tpm_structures import (
    MAX_ATTEST_BYTES,
    MAX_NAME_BYTES,
    TPM_GENERATED,
    TpmSignature,
    check_tpm_signature,
    parse_signature,
)

NV_CERTIFY: Final = "nv-certify"  # part: TPMS_ATTEST
NV_SIGNATURE: Final = "nv-signature"  # part: TPMT_SIGNATURE
NV_PUBLIC: Final = "nv-public"  # part: TPMS_NV_PUBLIC, as TPM2_NV_ReadPublic gives it without its length
ATTEST_NV: Final = 0x8014  # TPM_ST_ATTEST_NV (Part 2, 6.9)
COUNTER_BYTES: Final = 8

_MAX_PUBLIC_BYTES: Final = 512
_MAX_CONTENTS_BYTES: Final = 512
_MAX_POLICY_BYTES: Final = 64
_INDEX_TYPE: Final = 0x01  # the octet of the handle that says NV index (Part 2, 7.2)
_NT_SHIFT: Final = 4  # TPMA_NV bits 7:4 are TPM_NT
_NT_COUNTER: Final = 1
_WRITTEN: Final = 1 << 29


@dataclass(frozen=True, slots=True)
class NvPublic:
    """TPMS_NV_PUBLIC. `encoded` is as it came: the name is computed over exactly these bytes."""

    encoded: bytes
    index: int
    name_algorithm: int
    attributes: int
    size: int

    @property
    def is_counter(self) -> bool:
        """Of type TPM_NT_COUNTER, and counted at least once."""
        kind = self.attributes >> _NT_SHIFT & 0xF
        return kind == _NT_COUNTER and bool(self.attributes & _WRITTEN) and self.size == COUNTER_BYTES

    @property
    def name(self) -> bytes:
        """Of the index: nameAlg || H(public area) (Part 1, 16)."""
        digest = hashlib.new(HASH_NAMES[self.name_algorithm], self.encoded).digest()
        return self.name_algorithm.to_bytes(2) + digest


@dataclass(frozen=True, slots=True)
class NvStatement:
    """A TPMS_ATTEST over an NV index: its name, where the contents begin in it, the contents, the caller's data."""

    extra_data: bytes
    index_name: bytes
    offset: int
    contents: bytes


@dataclass(frozen=True, slots=True)
class CertifiedCounter:
    """The TPM of the AK says so: this counter has this value."""

    index: int
    name: bytes
    value: int


def parse_nv_public(data: bytes) -> NvPublic:
    """Raises EvidenceError."""
    reader = TpmReader(data, name="NV public area", at_most=_MAX_PUBLIC_BYTES)
    index = reader.number(4)
    name_algorithm = reader.number(2)
    attributes = reader.number(4)
    reader.sized(at_most=_MAX_POLICY_BYTES)
    size = reader.number(2)
    reader.end()
    if index >> 24 != _INDEX_TYPE:
        raise EvidenceError(f"handle 0x{index:08x} is no NV index")
    if name_algorithm not in HASH_NAMES:
        detail = f"name algorithm 0x{name_algorithm:04x} is not supported"
        raise EvidenceError(detail, reason=Reason.UNSUPPORTED_ALGORITHM)
    return NvPublic(data, index, name_algorithm, attributes, size)


def parse_nv_statement(data: bytes) -> NvStatement:
    """Raises EvidenceError; BAD_SIGNATURE for what no TPM made, WRONG_TYPE for another kind of statement."""
    reader = TpmReader(data, name="attestation structure", at_most=MAX_ATTEST_BYTES)
    magic = reader.number(4)
    if magic != TPM_GENERATED:
        detail = f"attestation structure begins with 0x{magic:08x}, so no TPM made it"
        raise EvidenceError(detail, reason=Reason.BAD_SIGNATURE)
    kind = reader.number(2)
    if kind != ATTEST_NV:
        detail = f"statement of type 0x{kind:04x} where one about an NV index belongs"
        raise EvidenceError(detail, reason=Reason.WRONG_TYPE)
    reader.sized(at_most=MAX_NAME_BYTES)  # qualified signer
    extra_data = reader.sized(at_most=MAX_NAME_BYTES)
    reader.take(8 + 4 + 4 + 1 + 8)  # clock, resets, restarts, safe, firmware version
    index_name = reader.sized(at_most=MAX_NAME_BYTES)
    offset = reader.number(2)
    contents = reader.sized(at_most=_MAX_CONTENTS_BYTES)
    reader.end()
    return NvStatement(extra_data, index_name, offset, contents)


def check_counter(
    *, statement: bytes, signature: bytes, nv_public: bytes, ak: TpmPublic, qualifying_data: bytes
) -> CertifiedCounter:
    """What the TPM of this AK certifies of a counter, over these qualifying data.

    That the AK is a genuine TPM's is the caller's knowledge (it is the attested key of a device); its attributes are
    judged here. Steps: 1. form  2. the AK is restricted and bound to its TPM  3. it signed  4. for these data
    5. about this index  6. which is a counter, read whole. Raises EvidenceError with the first that does not hold.
    """
    found = parse_nv_statement(statement)
    signed = parse_signature(signature)
    public = parse_nv_public(nv_public)
    for finding in check_ak(ak):
        raise EvidenceError(finding.detail, reason=finding.reason)
    _check_signature(signed, ak, statement)
    if not hmac.compare_digest(found.extra_data, qualifying_data):
        raise EvidenceError("the statement was made for other data", reason=Reason.CHALLENGE_MISMATCH)
    if not hmac.compare_digest(found.index_name, public.name):
        detail = "the certified index is not that of the public area beside it"
        raise EvidenceError(detail, reason=Reason.NAME_MISMATCH)
    if not public.is_counter:
        raise EvidenceError("the certified index is not a counter", reason=Reason.BINDING_MISMATCH)
    if found.offset != 0 or len(found.contents) != COUNTER_BYTES:
        raise EvidenceError("the certified contents are not the whole counter", reason=Reason.BINDING_MISMATCH)
    return CertifiedCounter(public.index, public.name, int.from_bytes(found.contents))


def _check_signature(signature: TpmSignature, ak: TpmPublic, message: bytes) -> None:
    scheme = ak.scheme
    made = (signature.algorithm, signature.hash_algorithm)
    if scheme.algorithm != TpmAlgorithm.NULL and made != (scheme.algorithm, scheme.hash_algorithm):
        detail = "the signature is not of the scheme that the AK is bound to"
        raise EvidenceError(detail, reason=Reason.BAD_SIGNATURE)
    if HASH_BYTES.get(signature.hash_algorithm, 0) < HASH_BYTES[TpmAlgorithm.SHA256]:
        raise EvidenceError("the statement is signed with a weak hash", reason=Reason.WEAK_HASH)
    check_tpm_signature(signature, spki=ak.spki, message=message)
