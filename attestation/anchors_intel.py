"""Intel's trust anchor for SGX and TDX as a fact: one root for PCK certificates, TCB info, QE identities and CRLs."""

from base64 import b64decode
from typing import Final

from attestation.model import Anchors, Format, TrustAnchor

INTEL_ROOT_PAGE: Final = (
    "https://certificates.trustedservices.intel.com/Intel_SGX_Provisioning_Certification_RootCA.pem, read 2026-11-20"
)

# Subject CN=Intel SGX Root CA, O=Intel Corporation, L=Santa Clara, ST=CA, C=US. EC P-256. Certified until 2049-12-31.
INTEL_SGX_ROOT: Final = TrustAnchor(
    name="intel-sgx-root-ca-p256",
    formats=frozenset({Format.INTEL_SGX, Format.INTEL_TDX}),
    spki=b64decode(
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEC6nEwMDIYZOj/iPWsCzaEKi71OiOSLRFhWGjbnBVJfVnkY4u3IjkDYYL0MxO4mqsyYjlBalT"
        "VYxFP2sJBK5zlA=="
    ),
    source=INTEL_ROOT_PAGE,
)

INTEL: Final = Anchors((INTEL_SGX_ROOT,))
