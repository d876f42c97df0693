"""What the settings make of missing collateral."""

from dataclasses import replace

from attestation.policy import Policy
from kms.collateral.fail_modes import DEFAULT_MODES, FailMode, apply_modes
from kms.collateral.model import CollateralKind


def test_the_defaults_are_those_of_the_strict_policy() -> None:
    assert apply_modes(Policy(), {}) == Policy()


def test_open_goes_on_where_something_is_missing() -> None:
    policy = apply_modes(Policy(), dict.fromkeys(DEFAULT_MODES, FailMode.OPEN))
    assert policy.android.allow_missing_status_list
    assert policy.android.status_list_max_age > Policy().android.status_list_max_age
    assert policy.amd_sev_snp.allow_missing_crl
    assert policy.nvidia.allow_missing_crl
    assert policy.intel.allow_missing_collateral
    assert not policy.tpm.require_crl
    assert not policy.webauthn.require_metadata


def test_closed_demands_everything() -> None:
    policy = apply_modes(Policy(), dict.fromkeys(DEFAULT_MODES, FailMode.CLOSED))
    strict = Policy()
    assert policy.android == strict.android
    assert policy.tpm == replace(strict.tpm, require_crl=True)
    assert policy.webauthn == replace(strict.webauthn, require_metadata=True)


def test_one_kind_alone() -> None:
    policy = apply_modes(Policy(), {CollateralKind.AMD_CRL: FailMode.OPEN})
    assert policy == replace(Policy(), amd_sev_snp=replace(Policy().amd_sev_snp, allow_missing_crl=True))
