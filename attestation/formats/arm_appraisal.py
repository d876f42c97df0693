"""Does the policy accept an Arm device: lifecycle, implementation, software, platform configuration, realm?"""

from collections.abc import Iterator

from attestation.formats.arm_claims import Component, DeviceClaims
from attestation.formats.arm_realm import RealmClaims
from attestation.model import Finding
from attestation.policy_arm import ArmPolicy, RealmReference, SoftwareReference
from attestation.reasons import Reason, Unchecked


def appraise_device(claims: DeviceClaims, policy: ArmPolicy) -> Iterator[Finding]:
    """What PSA devices and CCA platforms have in common."""
    if claims.lifecycle_state not in policy.lifecycles:
        detail = f"security lifecycle {claims.lifecycle:#06x} ({claims.lifecycle_state})"
        yield Finding(Reason.LIFECYCLE_NOT_ALLOWED, detail)
    if policy.implementation_ids and claims.implementation_id not in policy.implementation_ids:
        yield Finding(Reason.IDENTITY_NOT_ALLOWED, f"implementation {claims.implementation_id.hex()}")
    if policy.platform_configs and claims.platform_config not in (None, *policy.platform_configs):
        yield Finding(Reason.PLATFORM_NOT_ALLOWED, "the platform configuration is not one the policy names")
    if not policy.software:
        return
    if not claims.components:
        yield Finding(Reason.MEASUREMENT_MISSING, "the device measures no software")
    for component in claims.components:
        if not any(_is(component, claims, reference) for reference in policy.software):
            name = " ".join(filter(None, (component.kind, component.version))) or "software component"
            yield Finding(Reason.MEASUREMENT_MISMATCH, f"{name} is {component.digest.hex()}")


def _is(component: Component, claims: DeviceClaims, reference: SoftwareReference) -> bool:
    return (
        component.digest == reference.digest
        and reference.kind in (None, component.kind)
        and reference.version in (None, component.version)
        and reference.signer_id in (None, component.signer_id)
        and reference.implementation_id in (None, claims.implementation_id)
    )


def appraise_realm(claims: RealmClaims, policy: ArmPolicy) -> Iterator[Finding]:
    if policy.realms and not any(_is_realm(claims, reference) for reference in policy.realms):
        yield Finding(Reason.MEASUREMENT_MISMATCH, f"realm with the initial measurement {claims.initial.hex()}")


def _is_realm(claims: RealmClaims, reference: RealmReference) -> bool:
    return (
        claims.initial == reference.initial
        and all(claims.extensible[index : index + 1] == (value,) for index, value in reference.extensible)
        and reference.personalization in (None, claims.personalization)
    )


def not_checked(*, key_given: bool, references: bool) -> tuple[Unchecked, ...]:
    binding = () if key_given else (Unchecked.KEY_BINDING,)
    return binding if references else (*binding, Unchecked.MEASUREMENTS)
