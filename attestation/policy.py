"""Appraisal policies: plain frozen values with strict defaults. What they refuse is said by reason codes."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from attestation.claims import SecurityLevel
from attestation.policy_amd import AmdSevSnpPolicy
from attestation.policy_apple import ApplePolicy
from attestation.policy_arm import ArmPolicy
from attestation.policy_aws import AwsNitroPolicy
from attestation.policy_intel import IntelPolicy
from attestation.policy_nvidia import NvidiaPolicy
from attestation.policy_rego import RegoPolicy
from attestation.policy_software import SoftwarePolicy
from attestation.policy_tpm import TpmPolicy
from attestation.policy_webauthn import WebAuthnPolicy


class Provisioning(StrEnum):
    """How an Android device came by its attestation key."""

    FACTORY = "factory"  # one key for many devices, burnt in, cannot be renewed
    REMOTE = "RKP"  # remote key provisioning: certificates that live for weeks
    SOFTWARE = "software"  # neither; dates are enforced as for RKP


@dataclass(frozen=True, slots=True)
class AllowedApp:
    """An Android app that may own the key: package name and SHA-256 digests of its signing certificates."""

    package: str
    signature_digests: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class AndroidPolicy:
    """What an Android key must look like. The defaults are strict where a default can be: a revocation list not older
    than a day must be there; the device is locked and verified; no attest-key chains.

    Floors are YYYYMM or YYYYMMDD; `None` sets none. `apps` empty means any app. `verified_boot_keys` are the boot keys
    (SHA-256 as attested) of custom systems that are accepted although SELF_SIGNED. Real devices exist whose tags are
    out of order, so order is required only on request.
    """

    levels: frozenset[SecurityLevel] = frozenset({SecurityLevel.TEE, SecurityLevel.STRONGBOX})
    provisioning: frozenset[Provisioning] = frozenset(Provisioning)
    require_locked: bool = True
    require_verified_boot: bool = True
    verified_boot_keys: frozenset[bytes] = frozenset()
    min_os_patch_level: int | None = None
    min_vendor_patch_level: int | None = None
    min_boot_patch_level: int | None = None
    purposes: frozenset[str] | None = None
    apps: tuple[AllowedApp, ...] = ()
    allow_attest_keys: bool = False
    require_ordered_tags: bool = False
    allow_missing_status_list: bool = False
    status_list_max_age: timedelta = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy per vendor under one name, which the verdict's digest covers. `rego` holds for all of them."""

    name: str = "strict"
    android: AndroidPolicy = field(default_factory=AndroidPolicy)
    amd_sev_snp: AmdSevSnpPolicy = field(default_factory=AmdSevSnpPolicy)
    aws_nitro: AwsNitroPolicy = field(default_factory=AwsNitroPolicy)
    apple: ApplePolicy = field(default_factory=ApplePolicy)
    webauthn: WebAuthnPolicy = field(default_factory=WebAuthnPolicy)
    tpm: TpmPolicy = field(default_factory=TpmPolicy)
    intel: IntelPolicy = field(default_factory=IntelPolicy)
    arm: ArmPolicy = field(default_factory=ArmPolicy)
    nvidia: NvidiaPolicy = field(default_factory=NvidiaPolicy)
    software: SoftwarePolicy = field(default_factory=SoftwarePolicy)
    rego: RegoPolicy = field(default_factory=RegoPolicy)
