"""Azure rows of the TPM folder: a vTPM quote, the HCL report, and a VCEK or a TD quote; no collateral of CPU makers.

The relying party knows the challenge, does without AMD's CRL and Intel's collateral, which the rows do not bring, and
accepts TDs without SEPT_VE_DISABLE: Azure runs its guests under a paravisor, and its TDs never have that attribute.
"""

from collections.abc import Mapping
from typing import Any, Final

from attestation.anchors_amd import AMD
from attestation.anchors_intel import INTEL
from attestation.anchors_tpm import TPM
from attestation.case import Case
from attestation.formats import azure_vtpm
from attestation.model import Anchors, Collateral, Evidence, Format, Part
from attestation.policy import Policy
from attestation.policy_amd import AmdSevSnpPolicy
from attestation.policy_intel import IntelPolicy, TdxPolicy
from attestation.samples.row_values import base64_octets
from attestation.samples.sample import Row, Sample
from attestation.samples.tpm_row import expectation, registers, sample_time
from attestation.tpm_reader import TpmAlgorithm

_ANCHORS: Final = Anchors((*AMD.items, *INTEL.items, *TPM.items))
_POLICY: Final = Policy(
    "strict, collateral may be missing",
    amd_sev_snp=AmdSevSnpPolicy(allow_missing_crl=True),
    intel=IntelPolicy(allow_missing_collateral=True, tdx=TdxPolicy(required_attributes=0)),
)
_HASHES: Final = {"sha1": 0x0004, "sha256": 0x000B, "sha384": 0x000C, "sha512": 0x000D}
_COPIES: Final = {"hcl_runtime_data": azure_vtpm.RUNTIME_DATA, "ak_spki_der": azure_vtpm.AK_KEY}


def load_azure(row: Row, document: Mapping[str, Any]) -> Sample:
    quote = document.get("td_quote")
    found = azure_vtpm.evidence(
        attest=base64_octets(document["tpms_attest"]),
        signature=_signature(document),
        hcl_report=base64_octets(document["hcl_report"]),
        registers=registers(document),
        td_quote=None if quote is None else base64_octets(quote),
        certificates=tuple(base64_octets(document[name]) for name in ("vcek_der", "vlek_der") if name in document),
    )
    parts = (*found.parts, *_copies(document))
    evidence = Evidence(Format.AZURE_VTPM, parts)
    return Sample(Case(evidence, expectation(document), _ANCHORS, Collateral(), _POLICY, sample_time(row)))


def _signature(document: Mapping[str, Any]) -> bytes:
    """TPMT_SIGNATURE from raw octets and words such as rsassa-sha256."""
    if "tpmt_signature" in document:
        return base64_octets(document["tpmt_signature"])
    scheme, _, name = document["signature_alg"].partition("-")
    algorithm = TpmAlgorithm.RSAPSS if scheme == "rsapss" else TpmAlgorithm.RSASSA
    raw = base64_octets(document["raw_signature"])
    return algorithm.to_bytes(2) + _HASHES.get(name, TpmAlgorithm.NULL).to_bytes(2) + len(raw).to_bytes(2) + raw


def _copies(document: Mapping[str, Any]) -> tuple[Part, ...]:
    """What the file repeats beside the HCL report: runtime data as text, the AK as a key."""
    return tuple(
        Part(part, document[name].encode() if part == azure_vtpm.RUNTIME_DATA else base64_octets(document[name]))
        for name, part in _COPIES.items()
        if name in document
    )
