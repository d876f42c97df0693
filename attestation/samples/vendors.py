"""Which loader reads which vendor's folder, and the words its rows use instead of codes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from attestation.reasons import Reason
from attestation.samples import amd_sev_snp, android, apple_appattest, arm, aws_nitro, intel, nvidia_gpu, tpm, webauthn
from attestation.samples.sample import Loader


@dataclass(frozen=True, slots=True)
class Vendor:
    load: Loader
    phrases: Mapping[str, Reason] = field(default_factory=dict)


VENDORS: Final[dict[str, Vendor]] = {
    "tpm": Vendor(tpm.load, tpm.PHRASES),
    "android": Vendor(android.load, android.PHRASES),
    "intel": Vendor(intel.load, intel.PHRASES),
    "amd_sev_snp": Vendor(amd_sev_snp.load, amd_sev_snp.PHRASES),
    "aws_nitro": Vendor(aws_nitro.load, aws_nitro.PHRASES),
    "apple_appattest": Vendor(apple_appattest.load, apple_appattest.PHRASES),
    "webauthn": Vendor(webauthn.load, webauthn.PHRASES),
    "arm": Vendor(arm.load, arm.PHRASES),
    "nvidia_gpu": Vendor(nvidia_gpu.load, nvidia_gpu.PHRASES),
}
