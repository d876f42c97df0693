"""Which TCB level a platform meets, and what Intel says of it.

Source: Intel PCS API 4, "Get TCB Info", the steps "to determine TCB status": the first level whose SVNs are all met by
the platform decides; quoting enclave and, since TDX 1.5, TDX module have levels of their own; the worst status holds.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Flag, auto
from typing import Final

from attestation.errors import EvidenceError
from attestation.formats.intel_pck import Platform
from attestation.formats.intel_quote import EnclaveReport, Quote, TdReport
from attestation.intel_collateral import IntelCollateral
from attestation.intel_tcb import EnclaveLevel, Level, ModuleIdentity, QeIdentity, TcbInfo, TcbStatus
from attestation.reasons import Reason


class _Flaw(Flag):
    """What a status is made of, so that statuses can be added up."""

    NONE = 0
    HARDENING = auto()
    CONFIGURATION = auto()
    OUT_OF_DATE = auto()
    REVOKED = auto()


_FLAWS: Final = {
    TcbStatus.UP_TO_DATE: _Flaw.NONE,
    TcbStatus.SW_HARDENING_NEEDED: _Flaw.HARDENING,
    TcbStatus.CONFIGURATION_NEEDED: _Flaw.CONFIGURATION,
    TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED: _Flaw.CONFIGURATION | _Flaw.HARDENING,
    TcbStatus.OUT_OF_DATE: _Flaw.OUT_OF_DATE,
    TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED: _Flaw.OUT_OF_DATE | _Flaw.CONFIGURATION,
    TcbStatus.REVOKED: _Flaw.REVOKED,
}
_STATUSES: Final = {flaws: status for status, flaws in _FLAWS.items()}


@dataclass(frozen=True, slots=True)
class TcbEvaluation:
    """Worst status of platform, quoting enclave and TDX module, the date of the platform's level, all advisories."""

    status: TcbStatus
    date: datetime
    advisories: tuple[str, ...]


def evaluate(collateral: IntelCollateral, platform: Platform, quote: Quote) -> TcbEvaluation:
    """EvidenceError with TCB_NOT_SUPPORTED when the platform, enclave or module is below every level."""
    body = quote.body if isinstance(quote.body, TdReport) else None
    decisive = _platform_level(collateral.tcb_info, platform, body)
    levels = [decisive, _first(collateral.qe_identity.levels, quote.qe.report.isv_svn, "quoting enclave")]
    if body is not None and module_version(body):
        module = find_module(collateral.tcb_info, body)
        levels.append(_first(module.levels if module else (), body.tee_tcb_svn[0], "TDX module"))
    advisories = {advisory for level in levels for advisory in level.advisories}
    return TcbEvaluation(combine(*(level.status for level in levels)), decisive.date, tuple(sorted(advisories)))


def combine(*statuses: TcbStatus) -> TcbStatus:
    """The status of a whole whose parts have these."""
    flaws = _Flaw.NONE
    for status in statuses:
        flaws |= _FLAWS[status]
    if _Flaw.REVOKED in flaws:
        return TcbStatus.REVOKED
    if _Flaw.OUT_OF_DATE in flaws:
        flaws &= ~_Flaw.HARDENING  # there is no status of its own for this
    return _STATUSES[flaws]


def module_version(body: TdReport) -> int:
    """Major version of the TDX module: 0 for 1.0, whose SVN stands in the platform's levels, 1 and more since 1.5."""
    return body.tee_tcb_svn[1]


def find_module(info: TcbInfo, body: TdReport) -> ModuleIdentity | None:
    """What Intel says of this module's version. Ids are TDX_ and two hex digits."""
    if not module_version(body):
        return info.module
    wanted = f"TDX_{module_version(body):02X}"
    return next((item for item in info.module_identities if item.id.upper() == wanted), None)


def module_problem(info: TcbInfo, body: TdReport) -> str | None:
    """Why the SEAM module that measured this TD is not Intel's; None also where Intel says nothing of the version."""
    module = find_module(info, body)
    if module is None:
        return None
    if body.mr_signer_seam != module.mr_signer:
        return f"module {module.id} is signed by {body.mr_signer_seam.hex()}"
    if _masked(body.seam_attributes, module.attributes_mask) != module.attributes:
        return f"module {module.id} has the attributes {body.seam_attributes.hex()}"
    return None


def qe_problem(identity: QeIdentity, report: EnclaveReport) -> str | None:
    """Why the enclave that holds the attestation key is not Intel's quoting enclave."""
    if report.mr_signer != identity.mr_signer:
        return f"signed by {report.mr_signer.hex()}"
    if report.isv_prod_id != identity.isv_prod_id:
        return f"product {report.isv_prod_id}, not {identity.isv_prod_id}"
    if _masked(report.misc_select, identity.misc_select_mask) != identity.misc_select:
        return f"MISCSELECT {report.misc_select.hex()}"
    if _masked(report.attributes, identity.attributes_mask) != identity.attributes:
        return f"attributes {report.attributes.hex()}"
    return None


def _platform_level(info: TcbInfo, platform: Platform, body: TdReport | None) -> Level:
    """All 16 SVNs and the PCE's; for TDX also those of the TEE. From TDX 1.5 on the first two of these are version and
    SVN of the module, which has levels of its own.
    """
    skipped = 0 if body is None or not module_version(body) else 2
    tee_svns = () if body is None else tuple(body.tee_tcb_svn[skipped:])
    for candidate in info.levels:
        if (
            _reached(platform.components, candidate.sgx_components)
            and platform.pce_svn >= candidate.pce_svn
            and _reached(tee_svns, candidate.tdx_components[skipped:])
        ):
            return candidate.level
    raise EvidenceError("no TCB level is met by the platform", reason=Reason.TCB_NOT_SUPPORTED)


def _reached(svns: tuple[int, ...], floors: tuple[int, ...]) -> bool:
    return all(svn >= floor for svn, floor in zip(svns, floors, strict=True))


def _first(levels: tuple[EnclaveLevel, ...], isv_svn: int, what: str) -> Level:
    found = next((item.level for item in levels if isv_svn >= item.isv_svn), None)
    if found is None:
        detail = f"no TCB level of the {what} is met by its SVN {isv_svn}"
        raise EvidenceError(detail, reason=Reason.TCB_NOT_SUPPORTED)
    return found


def _masked(value: bytes, mask: bytes) -> bytes:
    return bytes(a & b for a, b in zip(value, mask, strict=True))
