"""What missing collateral means, for tenants without a policy of their own: refuse (closed) or go on (open).

Open is said by the policy itself, so a verdict's digest of its policy shows it. It never hides what is known: a list
that is there is read, and what it revokes stays revoked.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from typing import Final

from attestation.policy import Policy
from kms.collateral.model import CollateralKind


class FailMode(StrEnum):
    CLOSED = "closed"
    OPEN = "open"


DEFAULT_MODES: Final[Mapping[CollateralKind, FailMode]] = {
    CollateralKind.ANDROID_STATUS: FailMode.CLOSED,
    CollateralKind.AMD_CRL: FailMode.CLOSED,
    CollateralKind.INTEL_TCB: FailMode.CLOSED,
    CollateralKind.NVIDIA_CRL: FailMode.CLOSED,
    # Many makers publish no list, and most authenticators of a model have no metadata: the verdict says what was not
    # checked instead.
    CollateralKind.TPM_CRL: FailMode.OPEN,
    CollateralKind.FIDO_METADATA: FailMode.OPEN,
}
"""Endorsed keys (TPM_KEYS, ARM_DEVICES) have no mode: without them there is nothing to believe."""
_NEVER_TOO_OLD: Final = timedelta(days=3650)


def apply_modes(policy: Policy, modes: Mapping[CollateralKind, FailMode]) -> Policy:
    """The policy with the modes of the settings; kinds that `modes` leaves out have their default."""
    found = {**DEFAULT_MODES, **modes}
    is_open = {kind: mode is FailMode.OPEN for kind, mode in found.items()}
    android, intel = policy.android, policy.intel
    if is_open[CollateralKind.ANDROID_STATUS]:
        android = replace(android, allow_missing_status_list=True, status_list_max_age=_NEVER_TOO_OLD)
    if is_open[CollateralKind.INTEL_TCB]:
        intel = replace(intel, allow_missing_collateral=True, collateral_grace=_NEVER_TOO_OLD)
    return replace(
        policy,
        android=android,
        intel=intel,
        amd_sev_snp=replace(policy.amd_sev_snp, allow_missing_crl=is_open[CollateralKind.AMD_CRL]),
        nvidia=replace(policy.nvidia, allow_missing_crl=is_open[CollateralKind.NVIDIA_CRL]),
        tpm=replace(policy.tpm, require_crl=not is_open[CollateralKind.TPM_CRL]),
        webauthn=replace(policy.webauthn, require_metadata=not is_open[CollateralKind.FIDO_METADATA]),
    )
