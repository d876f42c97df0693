"""Does the policy accept what an authentic Intel quote says? Every refusal has a reason; none hides another."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from attestation.errors import EvidenceError
from attestation.formats.intel_claims import is_debug
from attestation.formats.intel_endorsements import check_fit, check_freshness, check_revocation
from attestation.formats.intel_levels import TcbEvaluation, evaluate
from attestation.formats.intel_pck import Platform
from attestation.formats.intel_quote import EnclaveReport, Quote, TdReport
from attestation.intel_collateral import IntelCollateral
from attestation.intel_tcb import TcbStatus
from attestation.model import Finding
from attestation.policy_intel import TD_UNDER_DEBUG, XFAM_ALWAYS, IntelPolicy, SgxFlag, SgxPolicy, TdxPolicy
from attestation.reasons import Reason, Unchecked
from attestation.x509 import Certificate

_STATUS_REASONS: Final = {
    TcbStatus.SW_HARDENING_NEEDED: Reason.TCB_SW_HARDENING_NEEDED,
    TcbStatus.CONFIGURATION_NEEDED: Reason.TCB_CONFIGURATION_NEEDED,
    TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED: Reason.TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED,
    TcbStatus.OUT_OF_DATE: Reason.TCB_OUT_OF_DATE,
    TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED: Reason.TCB_OUT_OF_DATE_CONFIGURATION_NEEDED,
    TcbStatus.REVOKED: Reason.TCB_REVOKED,
}
_OUT_OF_DATE: Final = frozenset({TcbStatus.OUT_OF_DATE, TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED})


@dataclass(frozen=True, slots=True)
class Appraisal:
    findings: tuple[Finding, ...]
    evaluation: TcbEvaluation | None
    not_checked: tuple[Unchecked, ...]


def appraise(
    quote: Quote,
    pck_chain: tuple[Certificate, ...],
    platform: Platform,
    *,
    collateral: IntelCollateral | None,
    policy: IntelPolicy,
    event_log: bool,
    at: datetime,
) -> Appraisal:
    """Hold the facts against the policy: debug, collateral, TCB, platform, attributes, measurements."""
    findings: list[Finding] = []
    if is_debug(quote.body) and not policy.allow_debug:
        enclave = isinstance(quote.body, EnclaveReport)
        reason, what = (Reason.DEBUG_ENCLAVE, "enclave") if enclave else (Reason.DEBUG_ENABLED, "TD")
        findings.append(Finding(reason, f"the host can read and change the memory of this {what}"))
    evaluation = None
    if collateral is not None:
        mismatches = tuple(check_fit(collateral, tee=quote.tee, platform=platform, pck_chain=pck_chain))
        findings += [*mismatches, *check_freshness(collateral, policy, at=at)]
        findings += check_revocation(collateral, pck_chain)
        if not mismatches:
            try:
                evaluation = evaluate(collateral, platform, quote)
                findings += _status(evaluation, policy, at=at)
            except EvidenceError as error:
                findings.append(Finding(error.reason, error.detail))
    elif not policy.allow_missing_collateral:
        detail = "no collateral was given: neither TCB nor revocation nor the quoting enclave can be judged"
        findings.append(Finding(Reason.TCB_COLLATERAL_MISSING, detail))
    if policy.platforms and platform.ppid not in policy.platforms:
        findings.append(Finding(Reason.IDENTITY_NOT_ALLOWED, "the processor is not one that the policy names"))
    findings += _body(quote.body, policy, event_log=event_log)
    return Appraisal(tuple(findings), evaluation, _not_checked(quote.body, policy, collateral, event_log=event_log))


def _status(evaluation: TcbEvaluation, policy: IntelPolicy, *, at: datetime) -> Iterator[Finding]:
    status = evaluation.status
    if status is TcbStatus.UP_TO_DATE and status in policy.tcb_statuses:
        return
    in_grace = status in _OUT_OF_DATE and at - evaluation.date <= policy.out_of_date_grace
    if status not in policy.tcb_statuses and not in_grace:
        reason = _STATUS_REASONS.get(status, Reason.TCB_NOT_SUPPORTED)
        advisories = ", ".join(evaluation.advisories) or "no advisories"
        yield Finding(reason, f"TCB of {evaluation.date:%Y-%m-%d} is {status} ({advisories})")
    if policy.advisories is not None:
        unwanted = [item for item in evaluation.advisories if item not in policy.advisories]
        if unwanted:
            yield Finding(Reason.ADVISORY_NOT_ALLOWED, f"the platform needs {', '.join(unwanted)}")


def _body(body: EnclaveReport | TdReport, policy: IntelPolicy, *, event_log: bool) -> Iterator[Finding]:
    if isinstance(body, EnclaveReport):
        yield from _enclave(body, policy.sgx)
    else:
        yield from _trust_domain(body, policy.tdx, event_log=event_log)


def _enclave(body: EnclaveReport, policy: SgxPolicy) -> Iterator[Finding]:
    unwanted = body.flags & ~(policy.allowed_flags | SgxFlag.DEBUG)  # DEBUG was judged before
    if unwanted or not body.flags & SgxFlag.INIT:
        yield Finding(Reason.ATTRIBUTES_NOT_ALLOWED, f"enclave attributes {body.flags:#x}")
    yield from _reference("MRENCLAVE", body.mr_enclave, policy.enclaves)
    yield from _reference("CONFIGID", body.config_id, policy.config_ids)
    if policy.signers and body.mr_signer not in policy.signers:
        yield Finding(Reason.IDENTITY_NOT_ALLOWED, f"MRSIGNER {body.mr_signer.hex()}")
    if policy.product_ids and body.isv_prod_id not in policy.product_ids:
        yield Finding(Reason.IDENTITY_NOT_ALLOWED, f"ISVPRODID {body.isv_prod_id}")
    if policy.min_isv_svn is not None and body.isv_svn < policy.min_isv_svn:
        yield Finding(Reason.SVN_TOO_LOW, f"ISVSVN {body.isv_svn}, at least {policy.min_isv_svn}")


def _trust_domain(body: TdReport, policy: TdxPolicy, *, event_log: bool) -> Iterator[Finding]:
    missing = policy.required_attributes & ~body.td_attributes
    unwanted = body.td_attributes & ~(policy.allowed_attributes | policy.required_attributes | TD_UNDER_DEBUG)
    if missing or unwanted:
        detail = f"TD attributes {body.td_attributes:#x}: {missing:#x} missing, {unwanted:#x} not allowed"
        yield Finding(Reason.ATTRIBUTES_NOT_ALLOWED, detail)
    if body.xfam & ~policy.allowed_xfam or XFAM_ALWAYS & ~body.xfam:
        yield Finding(Reason.ATTRIBUTES_NOT_ALLOWED, f"XFAM {body.xfam:#x}")
    service_td = body.mr_service_td or b""
    if any(service_td) and policy.service_tds is not None and service_td not in policy.service_tds:
        yield Finding(Reason.SERVICE_TD_NOT_ALLOWED, f"MRSERVICETD {service_td.hex()}")
    for name, value, allowed in (
        ("MRTD", body.mr_td, policy.mr_td),
        ("RTMR0", body.rtmrs[0], policy.rtmr0),
        ("RTMR1", body.rtmrs[1], policy.rtmr1),
        ("RTMR2", body.rtmrs[2], policy.rtmr2),
        ("RTMR3", body.rtmrs[3], policy.rtmr3),
        ("MRSEAM", body.mr_seam, policy.mr_seam),
        ("MRCONFIGID", body.mr_config_id, policy.mr_config_id),
        ("MROWNER", body.mr_owner, policy.mr_owner),
        ("MROWNERCONFIG", body.mr_owner_config, policy.mr_owner_config),
    ):
        yield from _reference(name, value, allowed)
    if policy.require_event_log and not event_log:
        yield Finding(Reason.MEASUREMENT_MISSING, "no event log explains the RTMRs")


def _reference(name: str, value: bytes, allowed: frozenset[bytes]) -> Iterator[Finding]:
    if allowed and value not in allowed:
        yield Finding(Reason.MEASUREMENT_MISMATCH, f"{name} {value.hex()} is not a reference value")


def _not_checked(
    body: EnclaveReport | TdReport, policy: IntelPolicy, collateral: IntelCollateral | None, *, event_log: bool
) -> tuple[Unchecked, ...]:
    unchecked: list[Unchecked] = []
    if collateral is None:
        unchecked.append(Unchecked.TCB_STATUS)
    if not policy.platforms:
        unchecked.append(Unchecked.PLATFORM_IDENTITY)
    if isinstance(body, EnclaveReport):
        named = policy.sgx.enclaves or policy.sgx.signers
    else:
        named = policy.tdx.mr_td
        if not event_log:
            unchecked.append(Unchecked.EVENT_LOG)
    if not named:
        unchecked.append(Unchecked.MEASUREMENTS)
    return tuple(unchecked)
