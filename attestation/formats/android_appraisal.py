"""Does the policy accept what an authentic Android attestation says? Every refusal has a reason; none hides another."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from attestation.claims import BootVerification, SecurityLevel
from attestation.formats.android_chain import certified_level, provisioning
from attestation.formats.android_key_description import KeyDescription
from attestation.model import Finding
from attestation.policy import AndroidPolicy
from attestation.reasons import Reason, Unchecked
from attestation.status import CertificateStatus, StatusList
from attestation.x509 import Certificate


@dataclass(frozen=True, slots=True)
class Appraisal:
    findings: tuple[Finding, ...]
    not_checked: tuple[Unchecked, ...]


def appraise(
    chain: tuple[Certificate, ...],
    description: KeyDescription,
    *,
    first_issuer: int,
    policy: AndroidPolicy,
    status: StatusList | None,
    at: datetime,
) -> Appraisal:
    """Hold the facts against the policy: chain, revocation, levels, boot state, patch levels, use, application."""
    findings = (
        *_attest_key(first_issuer, policy),
        *_revocation(chain, policy, status, at=at),
        *_levels(chain[first_issuer:-1], description, policy),
        *_provisioning(chain, policy),
        *_boot(description, policy),
        *_patch_levels(description, policy),
        *_use(description, policy),
    )
    unchecked: list[Unchecked] = []
    if status is None and policy.allow_missing_status_list:
        unchecked.append(Unchecked.STATUS_LIST)
    if policy.min_os_patch_level is policy.min_vendor_patch_level is policy.min_boot_patch_level is None:
        unchecked.append(Unchecked.PATCH_LEVELS)
    if not policy.apps:
        unchecked.append(Unchecked.APP_IDENTITY)
    return Appraisal(findings, tuple(unchecked))


def _attest_key(first_issuer: int, policy: AndroidPolicy) -> Iterator[Finding]:
    if first_issuer == 2 and not policy.allow_attest_keys:
        detail = "the key was attested by another key on the device (ATTEST_KEY)"
        yield Finding(Reason.ATTESTATION_EXTENSION_IN_NON_LEAF, detail)


def _revocation(
    chain: tuple[Certificate, ...], policy: AndroidPolicy, status: StatusList | None, *, at: datetime
) -> Iterator[Finding]:
    """Every serial of the chain. A stale list is refused, and what it revokes is still revoked."""
    if status is None:
        if not policy.allow_missing_status_list:
            yield Finding(Reason.STATUS_LIST_MISSING, "no status list of revoked certificates was given")
        return
    for index, certificate in enumerate(chain):
        entry = status.find(certificate.serial)
        if entry is not None:
            suspended = entry.status is CertificateStatus.SUSPENDED
            detail = f"certificate {index}: {entry.cause or 'no cause given'}"
            yield Finding(Reason.SUSPENDED if suspended else Reason.REVOKED, detail)
    if not status.fresh(at=at, max_age=policy.status_list_max_age):
        yield Finding(Reason.STATUS_LIST_STALE, f"status list fetched {status.fetched_at:%Y-%m-%dT%H:%M:%S%z}")


def _levels(
    intermediates: tuple[Certificate, ...], description: KeyDescription, policy: AndroidPolicy
) -> Iterator[Finding]:
    """Attestation and key at one level, a level the policy accepts, and one the vendor certified the device for.

    Old chains name no level; they count as TEE, never as StrongBox, whose chains have always named it.
    """
    level = description.keymint_level
    if description.attestation_level is not level:
        yield Finding(Reason.LEVEL_MISMATCH, f"attestation level {description.attestation_level}, key level {level}")
    if level not in policy.levels:
        yield Finding(Reason.LEVEL_NOT_ALLOWED, f"key level {level}")
    certified = certified_level(intermediates) or SecurityLevel.TEE
    if certified is not level:
        yield Finding(Reason.LEVEL_NOT_CERTIFIED, f"key level {level}, certified level {certified}")


def _provisioning(chain: tuple[Certificate, ...], policy: AndroidPolicy) -> Iterator[Finding]:
    found = provisioning(chain)
    if found not in policy.provisioning:
        yield Finding(Reason.PROVISIONING_NOT_ALLOWED, f"provisioning {found}")


def _boot(description: KeyDescription, policy: AndroidPolicy) -> Iterator[Finding]:
    boot = description.hardware.root_of_trust
    if boot is None:
        if policy.require_locked or policy.require_verified_boot:
            yield Finding(Reason.ROOT_OF_TRUST_MISSING, "hardwareEnforced has no rootOfTrust")
        return
    if policy.require_locked and not boot.locked:
        yield Finding(Reason.UNLOCKED_BOOTLOADER, "the bootloader is unlocked")
    if not policy.require_verified_boot or boot.verification is BootVerification.VERIFIED:
        return
    if boot.verification is not BootVerification.SELF_SIGNED:
        yield Finding(Reason.BOOT_NOT_VERIFIED, f"verified boot state {boot.verification}")
    elif boot.key not in policy.verified_boot_keys:
        yield Finding(Reason.BOOT_KEY_NOT_ALLOWED, "the system is signed with a boot key that is not allowed")


def _patch_levels(description: KeyDescription, policy: AndroidPolicy) -> Iterator[Finding]:
    hardware = description.hardware
    for reason, name, floor in (
        (Reason.OS_PATCH_TOO_OLD, "osPatchLevel", policy.min_os_patch_level),
        (Reason.VENDOR_PATCH_TOO_OLD, "vendorPatchLevel", policy.min_vendor_patch_level),
        (Reason.BOOT_PATCH_TOO_OLD, "bootPatchLevel", policy.min_boot_patch_level),
    ):
        level = hardware.integer(name)
        if floor is not None and (level is None or _below(level, floor)):
            yield Finding(reason, f"{name} {level if level is not None else 'absent'}, at least {floor}")


def _below(level: int, floor: int) -> bool:
    """Compare YYYYMM and YYYYMMDD at the precision both have."""
    if level >= 10_000_000 > floor:
        return level // 100 < floor
    if floor >= 10_000_000 > level:
        return level < floor // 100
    return level < floor


def _use(description: KeyDescription, policy: AndroidPolicy) -> Iterator[Finding]:
    purposes = description.hardware.purposes
    if policy.purposes is not None and (not purposes or not policy.purposes.issuperset(purposes)):
        yield Finding(Reason.PURPOSE_NOT_ALLOWED, f"purposes {', '.join(purposes) or 'absent'}")
    if policy.apps and not _app_allowed(description, policy):
        yield Finding(Reason.APP_NOT_ALLOWED, "the key belongs to an app that is not allowed")
    if policy.require_ordered_tags and not (description.software.ordered and description.hardware.ordered):
        yield Finding(Reason.TAGS_UNORDERED, "tags of the authorization lists are out of order")


def _app_allowed(description: KeyDescription, policy: AndroidPolicy) -> bool:
    """Every package that shares the key's user id is allowed with these signers, for all of them can use the key."""
    application = description.software.application
    if application is None or not application.packages or not application.signature_digests:
        return False
    digests = frozenset(application.signature_digests)
    allowed = {app.package for app in policy.apps if digests <= app.signature_digests}
    return allowed.issuperset(name for name, _ in application.packages)
