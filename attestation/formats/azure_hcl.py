"""The HCL report of an Azure confidential VM: a report of the TEE, and the runtime data that the report vouches for.

Layout, little endian: 32 octets of header ("HCLA", version, size, request type), 1184 octets for the TEE's report (an
SNP report, or a TDREPORT of 1024 and padding), then data size, version, report type, hash type and variable size, four
octets each, and the runtime data as JSON. Padding of zeros may follow.

Source: https://learn.microsoft.com/azure/confidential-computing/guest-attestation-confidential-vms (HCL report, runtime
claims).
"""

import binascii
import json
from base64 import urlsafe_b64decode
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from attestation.claims import VendorValue
from attestation.errors import EvidenceError
from attestation.reasons import Reason
from attestation.signatures import MAX_RSA_BITS

MAX_HCL_BYTES: Final = 32 * 1024
REPORT_BYTES: Final = 1184
AK_KEY_ID: Final = "HCLAkPub"

_MAGIC: Final = b"HCLA"
_HEADER_BYTES: Final = 32
_TD_REPORT_DATA: Final = slice(128, 192)  # REPORTMACSTRUCT.REPORTDATA of a TDREPORT
_HASHES: Final = {1: "sha256", 2: "sha384", 3: "sha512"}
_MAX_KEYS: Final = 8


class HclTee(IntEnum):
    """Report types whose reports are judged here. 1 is a VBS report, which no hardware signs."""

    SNP = 2
    TDX = 4


@dataclass(frozen=True, slots=True)
class HclReport:
    """`report` are the 1184 octets as they came; `runtime_data` exactly the octets that were hashed."""

    tee: HclTee
    report: bytes = field(repr=False)
    hash_name: str
    runtime_data: bytes

    @property
    def td_report_data(self) -> bytes:
        """REPORTDATA of the local TDREPORT, which the TD quote repeats."""
        return self.report[_TD_REPORT_DATA]


@dataclass(frozen=True, slots=True)
class RuntimeData:
    """What the runtime data say: the AK as DER SubjectPublicKeyInfo, and the VM's configuration, flat."""

    ak_spki: bytes = field(repr=False)
    vm_id: str | None
    claims: dict[str, VendorValue]


def parse_hcl_report(data: bytes) -> HclReport:
    """Read one HCL report of at most 32 KiB; EvidenceError (MALFORMED) for anything else."""
    if not _HEADER_BYTES + REPORT_BYTES + 20 <= len(data) <= MAX_HCL_BYTES or data[:4] != _MAGIC:
        raise EvidenceError(f"{len(data)} bytes that are no HCL report")
    start = _HEADER_BYTES + REPORT_BYTES
    size, _, kind, hash_type, variable = (_number(data, start + 4 * i) for i in range(5))
    end = start + 20 + variable
    if size != 20 + variable or end > len(data) or _number(data, 8) != end or any(data[end:]):
        raise EvidenceError("HCL report has not the size that it names")
    if kind not in HclTee.__members__.values():
        raise EvidenceError(f"HCL report of type {kind}", reason=Reason.UNSUPPORTED_ALGORITHM)
    if hash_type not in _HASHES:
        raise EvidenceError(f"HCL report with hash type {hash_type}", reason=Reason.UNSUPPORTED_ALGORITHM)
    return HclReport(HclTee(kind), data[_HEADER_BYTES:start], _HASHES[hash_type], data[start + 20 : end])


def parse_runtime_data(data: bytes) -> RuntimeData:
    """Read the JSON object; EvidenceError (MALFORMED) when it has no single RSA key named HCLAkPub."""
    try:
        document = json.loads(data, object_pairs_hook=_no_duplicates)
        json.dumps(document, ensure_ascii=False).encode()  # half a surrogate pair is text that nobody can pass on
    except (ValueError, RecursionError) as error:
        raise EvidenceError("runtime data are not JSON") from error
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list) or len(keys) > _MAX_KEYS or not all(isinstance(key, dict) for key in keys):
        raise EvidenceError("runtime data have no list of keys")
    found = [key for key in keys if key.get("kid") == AK_KEY_ID]
    if len(found) != 1:
        raise EvidenceError(f"runtime data have {len(found)} keys {AK_KEY_ID}")
    configuration = document.get("vm-configuration")
    claims = configuration if isinstance(configuration, dict) else {}
    vm_id = claims.get("vmUniqueId")
    flat: dict[str, VendorValue] = {
        f"vm.{name}": value for name, value in claims.items() if isinstance(value, bool | str) and name != "vmUniqueId"
    }
    if isinstance(document.get("user-data"), str):
        flat["vm.user-data"] = document["user-data"]
    return RuntimeData(_rsa_spki(found[0]), vm_id if isinstance(vm_id, str) else None, flat)


def _rsa_spki(key: dict[str, Any]) -> bytes:
    if key.get("kty") != "RSA":
        raise EvidenceError("the AK in the runtime data is no RSA key", reason=Reason.UNSUPPORTED_ALGORITHM)
    modulus, exponent = (int.from_bytes(_base64url(key.get(name))) for name in ("n", "e"))
    if modulus.bit_length() > MAX_RSA_BITS:
        raise EvidenceError("the AK in the runtime data is too large", reason=Reason.UNSUPPORTED_ALGORITHM)
    try:
        public = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    except ValueError as error:
        raise EvidenceError("the AK in the runtime data cannot be a key") from error
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _base64url(value: object) -> bytes:
    if not isinstance(value, str) or not value.isascii():
        raise EvidenceError("the AK in the runtime data lacks a number")
    try:
        return urlsafe_b64decode(value + "=" * (-len(value) % 4))
    except binascii.Error as error:
        raise EvidenceError("the AK in the runtime data has a number that is not base64url") from error


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise EvidenceError("runtime data have a name twice in one object")
    return found


def _number(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 4], "little")
