"""Evidence in bytes, told apart by what each vendor writes at its beginning. Nothing is judged here."""

from collections.abc import Callable
from typing import Final

from attestation import cbor
from attestation.cbor import CborValue, Tagged
from attestation.errors import EvidenceError
from attestation.evidence import load_chain
from attestation.formats import (
    apple_app_assertion,
    apple_attestation_object,
    arm_cca,
    arm_psa,
    intel,
    nitro,
    nvidia_gpu,
    sev_snp_evidence,
    software,
    tpm_parts,
)
from attestation.formats.arm_claims import Claim
from attestation.formats.arm_realm import COLLECTION_TAGS
from attestation.formats.sev_snp_report import REPORT_BYTES, VERSIONS
from attestation.formats.webauthn_registration import ATTESTATION_OBJECT
from attestation.model import Evidence, Format, Part

_COSE_SIGN1, _COSE_MAC0 = 18, 17
_PROFILE_1_INSTANCE_ID: Final = -75009
_QUOTE_VERSIONS: Final = (3, 4, 5)
_TEE_TYPES: Final = (0x00, 0x81)
_MIN_QUOTE_BYTES: Final = 48 + 384
_SPDM_REQUEST, _SPDM_RESPONSE = b"\x11\xe0", b"\x11\x60"
_ANSWER_AT: Final = 37

# DER of the identifiers by which a lone certificate is known: it may be one that no strict parser reads.
_EK_USAGE, _AK_USAGE = bytes.fromhex("0605678105 0801"), bytes.fromhex("0605678105 0803")
_AMD: Final = bytes.fromhex("2b060104019c7801")

Reader = Callable[[], Evidence]


def find_binary(data: bytes) -> dict[str, Reader]:
    """The forms that these bytes have, by name."""
    found: dict[str, Reader] = {}
    if _is_quote(data):
        found["SGX or TDX quote"] = lambda: intel.evidence(data)
    if len(data) >= REPORT_BYTES and int.from_bytes(data[:4], "little") in VERSIONS:
        found["SEV-SNP report"] = lambda: _snp(data)
    if data[:2] == _SPDM_REQUEST and data[_ANSWER_AT : _ANSWER_AT + 2] == _SPDM_RESPONSE:
        found["NVIDIA GPU report"] = lambda: nvidia_gpu.evidence(data, ())
    if is_certificates(data):
        found["certificates"] = lambda: _certificates(data)
    return found


FORM_NAMES: Final = ("SGX or TDX quote", "SEV-SNP report", "NVIDIA GPU report", "certificates")
CBOR_NAMES: Final = (
    "App Attest attestation", "App Attest assertion", "WebAuthn attestation object", "CCA token", "PSA token",
    "Nitro document", "software statement",
)  # fmt: skip


def is_certificates(data: bytes) -> bool:
    """Whether this is DER, or PEM with nothing but text before it: quotes carry PEM, too."""
    before, mark, _ = data[:4096].partition(b"-----BEGIN CERTIFICATE")
    return data[:1] == b"\x30" or (bool(mark) and before.isascii() and b"\0" not in before)


def _is_quote(data: bytes) -> bool:
    version, key_type, tee = (int.from_bytes(data[a:b], "little") for a, b in ((0, 2), (2, 4), (4, 8)))
    return len(data) >= _MIN_QUOTE_BYTES and version in _QUOTE_VERSIONS and key_type > 0 and tee in _TEE_TYPES


def _snp(data: bytes) -> Evidence:
    if len(data) > REPORT_BYTES:
        return sev_snp_evidence.extended_report_evidence(data)
    return sev_snp_evidence.evidence(report=data, certificates=())


def _certificates(data: bytes) -> Evidence:
    """A chain is Android's, unless its first certificate is one for a TPM's key or AMD's for a chip."""
    if data[:1] == b"\x30" and (_EK_USAGE in data or _AK_USAGE in data):
        return tpm_parts.certificates(ek=[data]) if _EK_USAGE in data else tpm_parts.certificates(ak=data)
    chain = load_chain(data)
    if _EK_USAGE in chain[0]:
        return tpm_parts.certificates(ek=chain[:1], intermediates=chain[1:])
    if _AK_USAGE in chain[0]:
        return tpm_parts.certificates(ak=chain[0], intermediates=chain[1:])
    if _AMD in chain[0]:
        return sev_snp_evidence.evidence(report=None, certificates=chain)
    return Evidence.android(chain)


def find_cbor(value: CborValue, data: bytes) -> dict[str, Reader]:
    """The same for bytes that are one CBOR item, which is given decoded."""
    if isinstance(value, Tagged) and value.tag in COLLECTION_TAGS:
        return {"CCA token": lambda: arm_cca.evidence(data)}
    if isinstance(value, Tagged) and value.tag == _COSE_MAC0:
        return {"PSA token": lambda: arm_psa.evidence(data)}
    if isinstance(value, dict):
        return _find_map(value, data)
    message = value.value if isinstance(value, Tagged) and value.tag == _COSE_SIGN1 else value
    if isinstance(message, tuple) and len(message) == 4 and isinstance(message[2], bytes):
        return _find_signed(message[2], data)
    return {}


def _find_map(value: dict[cbor.CborKey, CborValue], data: bytes) -> dict[str, Reader]:
    if {"fmt", "attStmt", "authData"} <= value.keys():
        if value["fmt"] == "apple-appattest":
            return {"App Attest attestation": lambda: apple_attestation_object.evidence(data)}
        part = Part(ATTESTATION_OBJECT, data)
        return {"WebAuthn attestation object": lambda: Evidence(Format.WEBAUTHN, (part,))}
    if {"signature", "authenticatorData"} <= value.keys():
        return {"App Attest assertion": lambda: apple_app_assertion.evidence(data)}
    return {}


def _find_signed(payload: bytes, data: bytes) -> dict[str, Reader]:
    """COSE_Sign1 messages differ in their claims."""
    try:
        claims = cbor.decode(payload, indefinite=True)
    except EvidenceError:
        return {}
    if not isinstance(claims, dict):
        return {}
    found: dict[str, Reader] = {}
    if "module_id" in claims:
        found["Nitro document"] = lambda: nitro.evidence(data)
    if claims.get(software.EAT_PROFILE) == software.PROFILE:
        found["software statement"] = lambda: software.evidence(data)
    if Claim.INSTANCE_ID in claims or _PROFILE_1_INSTANCE_ID in claims:
        found["PSA token"] = lambda: arm_psa.evidence(data)
    return found
