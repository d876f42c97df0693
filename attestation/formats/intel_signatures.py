"""Steps 3 to 6 of an Intel quote: who signed what with which key, from the PCK certificate down to the report."""

import hmac
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from attestation.errors import EvidenceError
from attestation.formats.intel_quote import REPORT_DATA_BYTES, Quote
from attestation.model import Finding
from attestation.reasons import Reason
from attestation.signatures import load_key

INTEL_QE_VENDOR: Final = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")

_COORDINATE: Final = 32


def check_signatures(quote: Quote, pck_spki: bytes) -> list[Finding]:
    """PCK signed the QE report, that report names the attestation key, and the attestation key signed the quote."""
    findings: list[Finding] = []
    try:
        verify_raw(load_key(pck_spki), quote.qe.signature, quote.qe.report.raw)
    except EvidenceError as error:
        findings.append(Finding(error.reason, f"QE report: {error.detail}"))
    named = sha256(quote.attestation_key + quote.qe.auth_data).digest().ljust(REPORT_DATA_BYTES, b"\0")
    if not hmac.compare_digest(quote.qe.report.report_data, named):
        findings.append(Finding(Reason.BINDING_MISMATCH, "the QE report names another attestation key"))
    try:
        verify_raw(_point(quote.attestation_key), quote.signature, quote.signed)
    except EvidenceError as error:
        findings.append(Finding(error.reason, f"quote: {error.detail}"))
    if quote.qe_vendor_id != INTEL_QE_VENDOR:
        findings.append(Finding(Reason.QE_IDENTITY_MISMATCH, f"QE of the vendor {quote.qe_vendor_id.hex()}, not Intel"))
    return findings


def verify_raw(key: object, signature: bytes, message: bytes) -> None:
    """ECDSA on P-256 with SHA-256, signature as r and s of 32 bytes each. EvidenceError: BAD_SIGNATURE, or
    UNSUPPORTED_ALGORITHM for a key of another kind.
    """
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise EvidenceError("the signer's key is not on P-256", reason=Reason.UNSUPPORTED_ALGORITHM)
    r, s = int.from_bytes(signature[:_COORDINATE]), int.from_bytes(signature[_COORDINATE:])
    try:
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as error:
        raise EvidenceError("signature does not verify", reason=Reason.BAD_SIGNATURE) from error


def _point(key: bytes) -> ec.EllipticCurvePublicKey:
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + key)
    except ValueError as error:  # a point that is not on the curve
        raise EvidenceError("attestation key cannot be read", reason=Reason.BAD_SIGNATURE) from error
