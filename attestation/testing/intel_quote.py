"""Quotes of Intel SGX and TDX, laid out by hand: every field can be set, right or wrong."""

from dataclasses import dataclass
from typing import Final

from attestation.formats.intel_quote import Tee
from attestation.formats.intel_signatures import INTEL_QE_VENDOR
from attestation.policy_intel import SgxFlag, TdAttribute

QE_SIGNER: Final = bytes(range(32))  # MRSIGNER of the virtual quoting enclaves
AUTH_DATA: Final = bytes(range(0x40, 0x60))  # QE authentication data, hashed with the attestation key
_XFRM: Final = (0xE7).to_bytes(8, "little")


def u16(value: int) -> bytes:
    return value.to_bytes(2, "little")


def u32(value: int) -> bytes:
    return value.to_bytes(4, "little")


def u64(value: int) -> bytes:
    return value.to_bytes(8, "little")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnclaveState:
    """Fields of an SGX report (384 bytes)."""

    mr_enclave: bytes = bytes([0xE1]) * 32
    mr_signer: bytes = bytes([0x51]) * 32
    flags: int = SgxFlag.INIT | SgxFlag.MODE64BIT
    isv_prod_id: int = 7
    isv_svn: int = 5
    misc_select: bytes = bytes(4)
    config_id: bytes = bytes(64)

    def pack(self, report_data: bytes) -> bytes:
        return b"".join(
            (
                bytes(16),  # CPUSVN
                self.misc_select,
                bytes(28),
                u64(self.flags),
                _XFRM,
                self.mr_enclave,
                bytes(32),
                self.mr_signer,
                bytes(32),
                self.config_id,
                u16(self.isv_prod_id),
                u16(self.isv_svn),
                bytes(60),
                report_data.ljust(64, b"\0"),
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TdState:
    """Fields of a TDX report (584 bytes; 648 with `newer`, as TDX 1.5 writes it)."""

    tee_tcb_svn: bytes = bytes([5, 1, 3]).ljust(16, b"\0")
    mr_signer_seam: bytes = bytes(48)
    seam_attributes: bytes = bytes(8)
    td_attributes: int = TdAttribute.SEPT_VE_DISABLE
    xfam: int = 0xE7
    mr_td: bytes = bytes([0x7D]) * 48
    rtmrs: tuple[bytes, ...] = (bytes([0xA0]) * 48, bytes([0xA1]) * 48, bytes([0xA2]) * 48, bytes(48))
    mr_service_td: bytes = bytes(48)
    newer: bool = False

    def pack(self, report_data: bytes) -> bytes:
        older = b"".join(
            (
                self.tee_tcb_svn,
                bytes([0x5E]) * 48,  # MRSEAM
                self.mr_signer_seam,
                self.seam_attributes,
                u64(self.td_attributes),
                u64(self.xfam),
                self.mr_td,
                bytes(48 * 3),  # MRCONFIGID, MROWNER, MROWNERCONFIG
                *self.rtmrs,
                report_data.ljust(64, b"\0"),
            )
        )
        return older + self.tee_tcb_svn + self.mr_service_td if self.newer else older


QE: Final = EnclaveState(
    mr_signer=QE_SIGNER, isv_prod_id=1, isv_svn=8, flags=SgxFlag.INIT | SgxFlag.MODE64BIT | SgxFlag.PROVISION_KEY
)
TD_QE: Final = EnclaveState(
    mr_signer=QE_SIGNER, isv_prod_id=2, isv_svn=4, flags=SgxFlag.INIT | SgxFlag.MODE64BIT | SgxFlag.PROVISION_KEY
)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteForm:
    """What stands around the body. `certification_type` 5 is a PCK chain."""

    version: int = 4
    key_type: int = 2
    vendor_id: bytes = INTEL_QE_VENDOR
    user_data: bytes = b"the QE_ID, 16 B." + bytes(4)
    auth_data: bytes = AUTH_DATA
    certification_type: int = 5
    qe: EnclaveState = QE
    trailing: bytes = b""


def signed_part(form: QuoteForm, tee: Tee, body: bytes) -> bytes:
    """Header and body, which the attestation key signs; version 5 writes type and size before the body."""
    tee_type = 0x81 if tee is Tee.TDX else 0
    header = u16(form.version) + u16(form.key_type) + u32(tee_type) + bytes(4) + form.vendor_id + form.user_data
    if form.version < 5:
        return header + body
    body_type = 1 if tee is Tee.SGX else 2 if len(body) == 584 else 3
    return header + u16(body_type) + u32(len(body)) + body


def signature_part(
    form: QuoteForm, *, signature: bytes, key: bytes, qe_report: bytes, qe_signature: bytes, certification: bytes
) -> bytes:
    """Signature data with its length before it; from version 4 on the part of the QE is wrapped (type 6)."""
    qe = qe_report + qe_signature + u16(len(form.auth_data)) + form.auth_data
    qe += u16(form.certification_type) + u32(len(certification)) + certification
    if form.version > 3:
        qe = u16(6) + u32(len(qe)) + qe
    return u32(len(signature + key + qe)) + signature + key + qe
