"""Does the policy accept what an authentic SEV-SNP report says? Every refusal has a reason; none hides another."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from attestation.amd_collateral import AmdCollateral
from attestation.formats.sev_snp_chain import KeyChain
from attestation.formats.sev_snp_key import Endorsement
from attestation.formats.sev_snp_report import GuestPolicy, PlatformInfo, Report
from attestation.formats.sev_snp_revocation import can_check_revocation, check_revocation
from attestation.formats.sev_snp_tcb import Tcb
from attestation.model import Finding, TrustAnchor
from attestation.policy_amd import AmdSevSnpPolicy, TcbFloor
from attestation.reasons import Reason, Unchecked

MAX_VMPL: Final = 3
NO_MIGRATION_AGENT: Final = b"\xff" * 32  # REPORT_ID_MA of a guest without one


@dataclass(frozen=True, slots=True)
class Appraisal:
    findings: tuple[Finding, ...]
    not_checked: tuple[Unchecked, ...]


def appraise(
    report: Report | None,
    endorsement: Endorsement,
    chain: KeyChain,
    *,
    policy: AmdSevSnpPolicy,
    collateral: AmdCollateral | None,
    anchors: tuple[TrustAnchor, ...],
    at: datetime,
) -> Appraisal:
    """Hold the facts against the policy: revocation, key, guest policy, platform, TCB, reference values."""
    findings = [
        *check_revocation(
            chain, endorsement.product, collateral=collateral, anchors=anchors,
            allow_missing=policy.allow_missing_crl, at=at,
        ),
        *_key(report, endorsement, policy),
    ]  # fmt: skip
    if report is not None:
        findings += [
            *_guest_policy(report, policy),
            *_platform(report, policy),
            *_vmpl(report, policy),
            *_chip(report, endorsement, policy),
            *_tcb(report, endorsement, policy),
            *_references(report, endorsement, policy),
        ]
    unchecked = _not_checked(report, policy)
    if policy.allow_missing_crl and not can_check_revocation(chain, endorsement.product, collateral, anchors):
        unchecked = (Unchecked.REVOCATION, *unchecked)
    return Appraisal(tuple(findings), unchecked)


def _key(report: Report | None, endorsement: Endorsement, policy: AmdSevSnpPolicy) -> Iterator[Finding]:
    if report is None and not policy.allow_key_only:
        yield Finding(Reason.KIND_NOT_ALLOWED, "there is no report, only the certificate of an endorsement key")
    if endorsement.kind not in policy.keys:
        yield Finding(Reason.KIND_NOT_ALLOWED, f"endorsement key {endorsement.kind.name}")
    if endorsement.product not in policy.products:
        yield Finding(Reason.PRODUCT_NOT_ALLOWED, f"product {endorsement.product}")


def _guest_policy(report: Report, policy: AmdSevSnpPolicy) -> Iterator[Finding]:
    found = report.policy
    if found & GuestPolicy.DEBUG and not policy.allow_debug:
        yield Finding(Reason.DEBUG_POLICY, "the guest policy allows debugging")
    missing = (policy.required_guest_policy | GuestPolicy.RESERVED_ONE) & ~found
    if missing:
        yield Finding(Reason.GUEST_POLICY_NOT_ALLOWED, f"guest policy lacks {missing!r}")
    if forbidden := policy.forbidden_guest_policy & found:
        yield Finding(Reason.GUEST_POLICY_NOT_ALLOWED, f"guest policy has {forbidden!r}")
    abi = (found >> 8 & 0xFF, found & 0xFF)
    if abi < policy.min_abi:
        yield Finding(Reason.GUEST_POLICY_NOT_ALLOWED, f"guest policy demands ABI {abi[0]}.{abi[1]} only")
    if policy.forbidden_guest_policy & GuestPolicy.MIGRATE_MA and report.report_id_ma != NO_MIGRATION_AGENT:
        yield Finding(Reason.GUEST_POLICY_NOT_ALLOWED, "the guest has a migration agent")


def _platform(report: Report, policy: AmdSevSnpPolicy) -> Iterator[Finding]:
    if missing := policy.required_platform & ~report.platform_info:
        yield Finding(Reason.PLATFORM_NOT_ALLOWED, f"platform lacks {PlatformInfo(missing)!r}")
    if forbidden := policy.forbidden_platform & report.platform_info:
        yield Finding(Reason.PLATFORM_NOT_ALLOWED, f"platform has {PlatformInfo(forbidden)!r}")
    if not policy.required_mitigations:
        return
    for vector in report.mitigations or (0,):
        if policy.required_mitigations & ~vector:
            yield Finding(Reason.PLATFORM_NOT_ALLOWED, f"mitigation vector {vector:#x}")


def _vmpl(report: Report, policy: AmdSevSnpPolicy) -> Iterator[Finding]:
    """A level above 3 is none of a guest's: the host asked for this report (SNP_HV_REPORT_REQ)."""
    if report.vmpl > MAX_VMPL or (policy.vmpls is not None and report.vmpl not in policy.vmpls):
        yield Finding(Reason.VMPL_NOT_ALLOWED, f"VMPL {report.vmpl}")


def _chip(report: Report, endorsement: Endorsement, policy: AmdSevSnpPolicy) -> Iterator[Finding]:
    """VLEKs exist to hide the chip; a report under a VCEK without a chip comes from a host that masks it."""
    masked = not any(report.chip_id)
    if masked and endorsement.hardware_id is not None and not policy.allow_masked_chip_id:
        yield Finding(Reason.CHIP_ID_MASKED, "the report does not say on which chip it was made")
    # Turin's identifiers are eight octets; behind them a report has zeros only.
    if policy.chip_ids and report.chip_id not in {chip.ljust(len(report.chip_id), b"\0") for chip in policy.chip_ids}:
        yield Finding(Reason.IDENTITY_NOT_ALLOWED, "the policy does not name this chip")


def _tcb(report: Report, endorsement: Endorsement, policy: AmdSevSnpPolicy) -> Iterator[Finding]:
    """Firmware reports nothing above what it committed to, and runs nothing below it."""
    levels = {
        name: Tcb.parse(octets, endorsement.product)
        for name, octets in (
            ("reported", report.reported_tcb),
            ("committed", report.committed_tcb),
            ("launch", report.launch_tcb),
            ("current", report.current_tcb),
        )
    }
    for lower, upper in (("reported", "committed"), ("committed", "current")):
        if parts := levels[upper].parts_below(levels[lower]):
            yield Finding(Reason.TCB_TOO_OLD, f"{upper} TCB is below the {lower} TCB: {', '.join(parts)}")
    if not policy.tcb_floors:
        return
    floors = [floor for floor in policy.tcb_floors if _concerns(floor, report, endorsement)]
    if not floors:
        yield Finding(Reason.TCB_TOO_OLD, f"the policy has no floor for {endorsement.product}")
    for floor in floors:
        for name in ("reported", "committed", "launch"):
            if parts := levels[name].parts_below(floor.levels):
                yield Finding(Reason.TCB_TOO_OLD, f"{name} TCB: {', '.join(parts)} below the floor")


def _concerns(floor: TcbFloor, report: Report, endorsement: Endorsement) -> bool:
    """Whether a floor is for this processor; one that does not name its model cannot evade any of its product."""
    if floor.product is not endorsement.product:
        return False
    return floor.cpu_model is None or report.cpuid is None or report.cpuid[1] == floor.cpu_model


def _references(report: Report, endorsement: Endorsement, policy: AmdSevSnpPolicy) -> Iterator[Finding]:
    for name, found, allowed in (
        ("launch measurement", report.measurement, policy.measurements),
        ("host data", report.host_data, policy.host_data),
    ):
        if allowed and found not in allowed:
            yield Finding(Reason.MEASUREMENT_MISMATCH, f"{name} {found.hex()}")
    author = report.author_key_digest if report.author_key_en else bytes(48)
    for name, value, values in (
        ("ID key", report.id_key_digest, policy.id_key_digests),
        ("author key", author, policy.author_key_digests),
        ("family", report.family_id, policy.family_ids),
        ("image", report.image_id, policy.image_ids),
    ):
        if values and value not in values:
            yield Finding(Reason.IDENTITY_NOT_ALLOWED, f"{name} {value.hex()}")
    if policy.csp_ids and endorsement.csp_id not in policy.csp_ids:
        yield Finding(Reason.IDENTITY_NOT_ALLOWED, f"cloud {endorsement.csp_id or 'not named'}")
    if report.guest_svn < policy.min_guest_svn:
        yield Finding(Reason.IDENTITY_NOT_ALLOWED, f"guest SVN {report.guest_svn}, at least {policy.min_guest_svn}")


def _not_checked(report: Report | None, policy: AmdSevSnpPolicy) -> tuple[Unchecked, ...]:
    if report is None:
        return ()
    unchecked: list[Unchecked] = []
    if not policy.tcb_floors:
        unchecked.append(Unchecked.TCB_FLOOR)
    if policy.vmpls is None:
        unchecked.append(Unchecked.VMPL)
    if not policy.measurements:
        unchecked.append(Unchecked.MEASUREMENTS)
    return tuple(unchecked)
