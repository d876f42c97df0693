"""Intel rows: a quote (`.bin`) and the collateral that its claims name, or changed collateral (`.json`) that is judged
with a quote of the platforms it is for; perhaps a boot event log. The report data is a claim of the row.

The lenient relying party has accepted every TCB status but Revoked, TDs and enclaves of any attributes, and old or
absent collateral.
"""

from datetime import timedelta
from typing import Final

from attestation.anchors_intel import INTEL
from attestation.case import Case
from attestation.errors import CollateralError, EvidenceError
from attestation.formats.intel import evidence
from attestation.formats.intel_quote import REPORT_DATA_BYTES, parse_quote
from attestation.intel_collateral import CollateralPieces, IntelCollateral, parse_intel_collateral
from attestation.intel_tcb import TcbStatus
from attestation.model import Collateral, Expectation, Finding
from attestation.policy import Policy
from attestation.policy_intel import IntelPolicy, SgxPolicy, TdxPolicy
from attestation.reasons import Reason
from attestation.samples.row_values import hex_octets, row_time
from attestation.samples.sample import Folder, Row, Sample

_ALL_BITS: Final = 2**64 - 1
_LENIENT: Final = Policy(
    "lenient",
    intel=IntelPolicy(
        tcb_statuses=frozenset(TcbStatus) - {TcbStatus.REVOKED},
        collateral_grace=timedelta(days=3650),
        allow_missing_collateral=True,
        allow_debug=True,
        sgx=SgxPolicy(allowed_flags=_ALL_BITS),
        tdx=TdxPolicy(required_attributes=0, allowed_attributes=_ALL_BITS, allowed_xfam=_ALL_BITS, service_tds=None),
    ),
)

# Words of rows for reasons that have a name of their own here.
PHRASES: Final = {
    "TCB SWHardeningNeeded": Reason.TCB_SW_HARDENING_NEEDED,
    "TCB ConfigurationNeeded": Reason.TCB_CONFIGURATION_NEEDED,
    "TCB ConfigurationAndSWHardeningNeeded": Reason.TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED,
    "TCB OutOfDateConfigurationNeeded": Reason.TCB_OUT_OF_DATE_CONFIGURATION_NEEDED,
    "TCB OutOfDate": Reason.TCB_OUT_OF_DATE,
    "TCB Revoked": Reason.TCB_REVOKED,
    "SEPT_VE_DISABLE": Reason.ATTRIBUTES_NOT_ALLOWED,
    "MRSERVICETD": Reason.SERVICE_TD_NOT_ALLOWED,
    "service TD": Reason.SERVICE_TD_NOT_ALLOWED,
    "DEBUG_": Reason.DEBUG_ENABLED,
    "NONCE_MISMATCH": Reason.CHALLENGE_MISMATCH,
    "BAD_BINDING": Reason.BINDING_MISMATCH,
    "COLLATERAL_MISSING": Reason.TCB_COLLATERAL_MISSING,
}


def load(row: Row, folder: Folder) -> Sample:
    at = row_time(row)
    bundles = folder.files(row, ending=".json")
    logs = [name for name in folder.files(row, ending=".bin") if "ccel" in name and "data" in name]
    quotes = [name for name in folder.files(row, ending=".bin") if "ccel" not in name]
    shown = row if quotes else _row_with_quote(row, folder)
    quote = folder.read(quotes[0] if quotes else folder.files(shown, ending=".bin")[0])
    collateral, refused = _collateral(folder.read(bundles[0]) if bundles else _named_bundle(row, folder))
    strict = Case(
        evidence(quote, event_log=folder.read(logs[0]) if logs else None),
        Expectation(_report_data(shown, folder, quote)),
        INTEL,
        Collateral(intel=collateral),
        Policy(),
        at,
    )
    lenient = Case(strict.evidence, strict.expectation, INTEL, strict.collateral, _LENIENT, at)
    return Sample(strict, lenient, refused)


def _row_with_quote(row: Row, folder: Folder) -> Row:
    """A quote whose claims name the collateral that this row was derived from, or any quote where none does."""
    claims = row["claims"]
    named = [folder.rows[claims[name]] for name in ("quote", "applies_to") if claims.get(name) in folder.rows]
    quotes = [other for other in folder.rows.values() if folder.files(other, ending=".bin")]
    base = claims.get("base", claims.get("collateral"))
    return next(iter((*named, *(other for other in quotes if other["claims"].get("collateral") == base), *quotes)))


def _named_bundle(row: Row, folder: Folder) -> bytes | None:
    named = folder.rows.get(row["claims"].get("collateral", ""))
    names = folder.files(named, ending=".json") if named else ()
    return folder.read(names[0]) if names else None


def _collateral(data: bytes | None) -> tuple[IntelCollateral | None, Finding | None]:
    """A bundle without all of its pieces is none. A piece that cannot be read is not as Intel signed it."""
    try:
        pieces = None if data is None else CollateralPieces.from_bundle(data)
    except CollateralError:
        pieces = None
    try:
        return None if pieces is None else parse_intel_collateral(pieces), None
    except CollateralError as error:
        return None, Finding(Reason.BAD_COLLATERAL_SIGNATURE, f"not as Intel signed it: {error}")


def _report_data(row: Row, folder: Folder, quote: bytes) -> bytes:
    """What the relying party had asked for. Rows of changed quotes name it where the quote that they came from does;
    where nothing does, it asked for what the quote says, and other steps have to refuse.
    """
    claims = row["claims"]
    base = folder.rows.get(claims.get("base", ""), {}).get("claims", {})
    named = (claims.get("expected_report_data"), claims.get("report_data"), base.get("report_data"))
    found = next((value for value in named if value), None)
    if found is not None:
        return hex_octets(found) or bytes(REPORT_DATA_BYTES)
    try:
        return parse_quote(quote).body.report_data
    except EvidenceError:
        return bytes(REPORT_DATA_BYTES)
