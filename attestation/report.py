"""A verdict as plain data, for the log, the wire and the command line."""

from typing import Any

from attestation.claims import Claims
from attestation.digests import plain
from attestation.model import Verdict


def verdict_to_dict(verdict: Verdict, *, identifiers: bool = False) -> dict[str, Any]:
    """JSON-ready form: enums as their names, bytes as hex, times as ISO 8601, absent claims left out.

    What identifies one device (serial, IMEI, MEID, unique id, serials of its certificates) is personal data and left
    out unless asked for, so that the default may be logged.
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
    found["vendor"] = dict(claims.vendor)
    if not identifiers:
        for name in ("serial", "imeis", "meid"):
            found.get("device", {}).pop(name, None)
        found["vendor"].pop("unique_id", None)
        found.pop("certificate_serials", None)
    return found


def _present(value: Any) -> Any:
    """Drop what is None or empty, at every depth; False and 0 say something and stay."""
    if not isinstance(value, dict):
        return value
    kept = {name: _present(item) for name, item in value.items()}
    return {name: item for name, item in kept.items() if item not in (None, "", [], {})}
