"""All evidence factories: for each format, cases that must be accepted and cases that must be refused, and why."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from attestation.model import Format
from attestation.testing import (
    android,
    apple,
    apple_assertions,
    arm_cca,
    arm_psa,
    azure,
    intel,
    nitro,
    nvidia_gpu,
    sev_snp,
    sev_snp_broken,
    software,
    tpm,
    tpm_broken,
    webauthn,
    webauthn_broken,
)
from attestation.testing.variant import Good, Variant


@dataclass(frozen=True, slots=True)
class Factory:
    """Makes evidence under throw-away roots, as of a time. Keys are fresh at every call."""

    good: Callable[[datetime], Iterator[Good]]
    broken: Callable[[datetime], Iterator[Variant]]


FACTORIES: Final[dict[Format, Factory]] = {
    Format.ANDROID_KEY: Factory(android.good, android.broken),
    Format.INTEL_SGX: Factory(intel.good_sgx, intel.broken_sgx),
    Format.INTEL_TDX: Factory(intel.good_tdx, intel.broken_tdx),
    Format.AMD_SEV_SNP: Factory(sev_snp.good, sev_snp_broken.broken),
    Format.AWS_NITRO: Factory(nitro.good, nitro.broken),
    Format.TPM: Factory(tpm.good, tpm_broken.broken),
    Format.AZURE_VTPM: Factory(azure.good, azure.broken),
    Format.APPLE_APP_ATTEST: Factory(apple.good, apple.broken),
    Format.APPLE_APP_ASSERTION: Factory(apple_assertions.good, apple_assertions.broken),
    Format.WEBAUTHN: Factory(webauthn.good, webauthn_broken.broken),
    Format.ARM_PSA: Factory(arm_psa.good, arm_psa.broken),
    Format.ARM_CCA: Factory(arm_cca.good, arm_cca.broken),
    Format.NVIDIA_GPU: Factory(nvidia_gpu.good, nvidia_gpu.broken),
    Format.SOFTWARE: Factory(software.good, software.broken),
}
