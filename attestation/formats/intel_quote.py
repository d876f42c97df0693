"""Layout of Intel DCAP quotes, little endian: version 3 (SGX), 4 (SGX and TDX) and 5 (both, TDX 1.0 and 1.5 bodies).

Source: Intel SGX ECDSA Quote Library Reference, appendix A; Intel TDX DCAP Quoting Library API, appendix A.
Nothing is judged here but the form. Bytes behind the signature data are counted and not read: the buffers that cloud
hosts hand out are padded, some with whatever was in memory, and no signature covers them.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from attestation.errors import EvidenceError
from attestation.reasons import Reason

MAX_QUOTE_BYTES: Final = 64 * 1024
HEADER_BYTES: Final = 48
REPORT_DATA_BYTES: Final = 64

_ECDSA_P256: Final = 2  # attestation key type
_PCK_CHAIN: Final = 5  # certification data: the PCK certificate and its issuers, in PEM
_QE_REPORT: Final = 6  # certification data: QE report, its signature, and certification data of its own
_ENCLAVE_REPORT_BYTES: Final = 384
_TD_REPORT_10_BYTES: Final = 584
_TD_REPORT_15_BYTES: Final = 648
_TEE_SGX: Final = 0
_TEE_TDX: Final = 0x81


class Tee(StrEnum):
    SGX = "SGX"
    TDX = "TDX"


# Body types of version 5, and what they hold.
_BODY_TYPES: Final = {
    1: (Tee.SGX, _ENCLAVE_REPORT_BYTES),
    2: (Tee.TDX, _TD_REPORT_10_BYTES),
    3: (Tee.TDX, _TD_REPORT_15_BYTES),
}


@dataclass(frozen=True, slots=True)
class EnclaveReport:
    """REPORTBODY of SGX, 384 bytes (Intel SDM volume 3D, 39.16)."""

    raw: bytes
    cpu_svn: bytes
    misc_select: bytes
    attributes: bytes  # 8 bytes of flags, 8 bytes of XFRM
    mr_enclave: bytes
    mr_signer: bytes
    config_id: bytes
    isv_prod_id: int
    isv_svn: int
    report_data: bytes

    @property
    def flags(self) -> int:
        return int.from_bytes(self.attributes[:8], "little")


@dataclass(frozen=True, slots=True)
class TdReport:
    """TDREPORT of TDX, 584 bytes, with 64 more since 1.5 (`tee_tcb_svn_2` and `mr_service_td`, else None)."""

    tee_tcb_svn: bytes
    mr_seam: bytes
    mr_signer_seam: bytes
    seam_attributes: bytes
    td_attributes: int
    xfam: int
    mr_td: bytes
    mr_config_id: bytes
    mr_owner: bytes
    mr_owner_config: bytes
    rtmrs: tuple[bytes, bytes, bytes, bytes]
    report_data: bytes
    tee_tcb_svn_2: bytes | None = None
    mr_service_td: bytes | None = None


@dataclass(frozen=True, slots=True)
class QeCertification:
    """Who vouches for the attestation key: the quoting enclave's report, signed by the platform's PCK."""

    report: EnclaveReport
    signature: bytes
    auth_data: bytes
    pck_chain: bytes  # PEM


@dataclass(frozen=True, slots=True)
class Quote:
    """A quote taken apart. `signed` is what the attestation key signed; keys are x and y, signatures r and s."""

    version: int
    body: EnclaveReport | TdReport
    qe_vendor_id: bytes
    user_data: bytes
    signed: bytes
    signature: bytes
    attestation_key: bytes
    qe: QeCertification
    trailing_bytes: int

    @property
    def tee(self) -> Tee:
        return Tee.SGX if isinstance(self.body, EnclaveReport) else Tee.TDX


class _Reader:
    """Takes bounded pieces from the front."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.offset = 0

    def take(self, size: int) -> bytes:
        if size > self.left:
            raise EvidenceError(f"quote is cut short: {size} bytes announced, {self.left} there")
        self.offset += size
        return self.data[self.offset - size : self.offset]

    def number(self, octets: int) -> int:
        return int.from_bytes(self.take(octets), "little")

    @property
    def left(self) -> int:
        return len(self.data) - self.offset

    def end(self, what: str) -> None:
        if self.left:
            raise EvidenceError(f"{what} is followed by {self.left} bytes")


def parse_quote(data: bytes) -> Quote:
    """Read one quote of at most 64 KiB. EvidenceError: MALFORMED, UNSUPPORTED_ALGORITHM for a key that is not P-256,
    INCOMPLETE_CHAIN where the quote carries no PCK certificates.
    """
    if len(data) > MAX_QUOTE_BYTES:
        raise EvidenceError(f"quote of {len(data)} bytes, at most {MAX_QUOTE_BYTES}")
    reader = _Reader(data)
    version, key_type, tee_type = reader.number(2), reader.number(2), reader.number(4)
    reader.take(4)  # SVNs of QE and PCE in version 3, which their certificates state better; reserved since
    vendor_id, user_data = reader.take(16), reader.take(20)
    tee, size = _body_form(reader, version, tee_type)
    if key_type != _ECDSA_P256:
        raise EvidenceError(f"attestation key of type {key_type}", reason=Reason.UNSUPPORTED_ALGORITHM)
    body = _body(reader.take(size), tee)
    signed = data[: reader.offset]
    signature_data = _Reader(reader.take(reader.number(4)))
    signature, key = signature_data.take(64), signature_data.take(64)
    qe = _certification(_qe_report_data(signature_data) if version > 3 else signature_data)
    signature_data.end("signature data")
    return Quote(version, body, vendor_id, user_data, signed, signature, key, qe, reader.left)


def quote_tee(data: bytes) -> Tee:
    """The TEE that the header names, read before anything is checked: what is not TDX counts as SGX."""
    return Tee.TDX if int.from_bytes(data[4:8], "little") == _TEE_TDX else Tee.SGX


def _body_form(reader: _Reader, version: int, tee_type: int) -> tuple[Tee, int]:
    """TEE and size of the body; version 5 writes them before it."""
    if (version, tee_type) in ((3, _TEE_SGX), (4, _TEE_SGX)):
        return Tee.SGX, _ENCLAVE_REPORT_BYTES
    if (version, tee_type) == (4, _TEE_TDX):
        return Tee.TDX, _TD_REPORT_10_BYTES
    if version != 5 or tee_type not in (_TEE_SGX, _TEE_TDX):
        raise EvidenceError(f"quote of version {version} and TEE type {tee_type:#x}")
    body_type, size = reader.number(2), reader.number(4)
    form = _BODY_TYPES.get(body_type)
    if form is None or form[1] != size or (form[0] is Tee.TDX) is not (tee_type == _TEE_TDX):
        raise EvidenceError(f"body of type {body_type} and {size} bytes in a quote of TEE type {tee_type:#x}")
    return form


def _qe_report_data(reader: _Reader) -> _Reader:
    kind, data = reader.number(2), reader.take(reader.number(4))
    if kind != _QE_REPORT:
        raise EvidenceError(f"certification data of type {kind} where the QE report belongs")
    return _Reader(data)


def _certification(reader: _Reader) -> QeCertification:
    report, signature = _enclave_report(reader.take(_ENCLAVE_REPORT_BYTES)), reader.take(64)
    auth_data = reader.take(reader.number(2))
    kind, chain = reader.number(2), reader.take(reader.number(4))
    if kind != _PCK_CHAIN:
        detail = f"certification data of type {kind}, only PCK certificate chains (5) can be checked"
        raise EvidenceError(detail, reason=Reason.INCOMPLETE_CHAIN)
    reader.end("certification data")
    return QeCertification(report, signature, auth_data, chain)


def _body(data: bytes, tee: Tee) -> EnclaveReport | TdReport:
    return _enclave_report(data) if tee is Tee.SGX else _td_report(data)


def _enclave_report(data: bytes) -> EnclaveReport:
    return EnclaveReport(
        raw=data,
        cpu_svn=data[0:16],
        misc_select=data[16:20],
        attributes=data[48:64],
        mr_enclave=data[64:96],
        mr_signer=data[128:160],
        config_id=data[192:256],
        isv_prod_id=int.from_bytes(data[256:258], "little"),
        isv_svn=int.from_bytes(data[258:260], "little"),
        report_data=data[320:384],
    )


def _td_report(data: bytes) -> TdReport:
    newer = len(data) == _TD_REPORT_15_BYTES
    return TdReport(
        tee_tcb_svn=data[0:16],
        mr_seam=data[16:64],
        mr_signer_seam=data[64:112],
        seam_attributes=data[112:120],
        td_attributes=int.from_bytes(data[120:128], "little"),
        xfam=int.from_bytes(data[128:136], "little"),
        mr_td=data[136:184],
        mr_config_id=data[184:232],
        mr_owner=data[232:280],
        mr_owner_config=data[280:328],
        rtmrs=(data[328:376], data[376:424], data[424:472], data[472:520]),
        report_data=data[520:584],
        tee_tcb_svn_2=data[584:600] if newer else None,
        mr_service_td=data[600:648] if newer else None,
    )
