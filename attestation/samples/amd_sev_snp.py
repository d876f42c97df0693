"""AMD SEV-SNP rows: a report and its endorsement key, or an endorsement key alone; a CRL where the row brings one.

REPORT_DATA is a claim of the row: the relying party chose it. Rows are judged without reference values and mostly
without a CRL, and a certificate alone is taken for what it is.
"""

from dataclasses import replace
from typing import Final

from attestation.amd_collateral import AmdCollateral
from attestation.anchors_amd import AMD
from attestation.case import Case
from attestation.errors import CollateralError
from attestation.formats.sev_snp_evidence import evidence, extended_report_evidence
from attestation.formats.sev_snp_report import REPORT_BYTES
from attestation.model import Collateral, Evidence, Expectation, Finding
from attestation.policy import Policy
from attestation.policy_amd import NO_GUEST_BITS, AmdSevSnpPolicy
from attestation.reasons import Reason
from attestation.samples.row_values import certificates_in, hex_octets, known_claims, row_time
from attestation.samples.sample import Folder, Row, Sample

_REPORT_NAMES: Final = (".report.bin", ".bin")
_NO_REPORT: Final = b"no report, so no challenge"
_REPORT_DATA: Final = slice(0x50, 0x90)
# Words of rows for reasons that have a name of their own here.
PHRASES: Final = {
    "NONCE_MISMATCH": Reason.CHALLENGE_MISMATCH,
    "BAD_BINDING": Reason.BINDING_MISMATCH,
    "UNTRUSTED_ROOT": Reason.UNTRUSTED_VCEK,
}


def load(row: Row, folder: Folder) -> Sample:
    crls = [folder.read(name) for name in folder.files(row, ending=".crl")]
    report = next((folder.read(name) for ending in _REPORT_NAMES for name in folder.files(row, ending=ending)), None)
    policy = AmdSevSnpPolicy(allow_missing_crl=not crls, allow_key_only=report is None)
    collateral, refused = _collateral(crls)
    strict = Case(
        _evidence(report, _certificates(row, folder)),
        Expectation(_challenge(row, folder, report)),
        AMD,
        Collateral(amd=collateral),
        Policy("strict, CRL may be missing", amd_sev_snp=policy),
        row_time(row),
    )
    mild = replace(policy, allow_debug=True, forbidden_guest_policy=NO_GUEST_BITS, allow_masked_chip_id=True)
    return Sample(strict, replace(strict, policy=Policy("lenient", amd_sev_snp=mild)), refused)


def _collateral(crls: list[bytes]) -> tuple[AmdCollateral | None, Finding | None]:
    try:
        return AmdCollateral.parse(crls) if crls else None, None
    except CollateralError as error:
        return None, Finding(Reason.BAD_COLLATERAL_SIGNATURE, f"not as AMD signed it: {error}")


def _certificates(row: Row, folder: Folder) -> tuple[bytes, ...]:
    """The endorsement key, and a chain that the row sends with it; roots of the folder are no evidence."""
    chains = [name for name in folder.files(row, ending=".pem") if not name.startswith("roots/")]
    above = (der for name in chains for der in certificates_in(folder.read(name)))
    return (*(folder.read(name) for name in folder.files(row, ending=".der")), *above)


def _evidence(report: bytes | None, certificates: tuple[bytes, ...]) -> Evidence:
    if report is not None and len(report) > REPORT_BYTES and not certificates:
        return extended_report_evidence(report)
    return evidence(report=report, certificates=certificates)


def _challenge(row: Row, folder: Folder, report: bytes | None) -> bytes:
    """What the relying party had asked for; where no row names it, what the report says."""
    claim = known_claims(row, folder).get("report_data")
    return (hex_octets(claim) if claim else (report or b"")[_REPORT_DATA]) or _NO_REPORT
