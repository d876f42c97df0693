"""A verdict as plain data, for the log, the wire and the command line."""

from typing import Any, Final

from attestation.claims import Claims
from attestation.digests import plain
from attestation.model import Verdict

# Names of vendor claims that tell one device (or one guest on it) from all others, and why each does. Digests of the
# attested key (ak_name, key_id) are none: they say what `key` says.
VENDOR_IDENTIFIERS: Final = {
    "credential_id": "WebAuthn: recognises one authenticator's credential (WebAuthn Level 3, section 14.6.3)",
    "ek_name": "TPM: digest of the endorsement key, which lives as long as the TPM (TPM 2.0 part 1, Names)",
    "module_id": "Nitro: begins with the id of the EC2 instance",
    "qe_user_data": "Intel: its first 16 bytes are the QE_ID, one for all quotes of a platform (DCAP quote header)",
    "report_id": "SEV-SNP: one guest for as long as it lives (SEV-SNP firmware ABI, ATTESTATION_REPORT)",
    "report_id_ma": "SEV-SNP: the migration agent of that guest, likewise",
    "unique_id": "Android: one device to one application for 30 days (KeyMint, Tag::INCLUDE_UNIQUE_ID)",
}


def verdict_to_dict(verdict: Verdict, *, identifiers: bool = False) -> dict[str, Any]:
    """JSON-ready form: enums as their names, bytes as hex, times as ISO 8601, absent claims left out.

    What identifies one device (serial, IMEI, MEID, serials of its certificates, VENDOR_IDENTIFIERS) is personal data
    and left out unless asked for, so that the default may be logged.
    """
    return {
        "format": str(verdict.format),
        "authentic": verdict.authentic,
        "appraised": verdict.appraised,
        "reasons": [str(reason) for reason in verdict.reasons],
        "findings": plain(verdict.findings),
        "claims": claims_to_dict(verdict.claims, identifiers=identifiers),
        "not_checked": [str(item) for item in verdict.not_checked],
        "inputs": plain(verdict.inputs),
        "verified_at": verdict.verified_at.isoformat(),
    }


def claims_to_dict(claims: Claims, *, identifiers: bool = False) -> dict[str, Any]:
    """The claims alone, in the same form."""
    found: dict[str, Any] = _present(plain(claims))
    found["vendor"] = {name: value for name, value in claims.vendor if identifiers or name not in VENDOR_IDENTIFIERS}
    if not identifiers:
        for name in ("serial", "imeis", "meid"):
            found.get("device", {}).pop(name, None)
        found.pop("certificate_serials", None)
    return found


def _present(value: Any) -> Any:
    """Drop what is None or empty, at every depth; False and 0 say something and stay."""
    if not isinstance(value, dict):
        return value
    kept = {name: _present(item) for name, item in value.items()}
    return {name: item for name, item in kept.items() if item not in (None, "", [], {})}
