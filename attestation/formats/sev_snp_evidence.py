"""The parts of SEV-SNP evidence: a report, and certificates either one by one or in the table of the host."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from attestation.chain import parse_chain
from attestation.errors import EvidenceError
from attestation.formats.sev_snp_report import Report, SigningKey, parse_report
from attestation.formats.sev_snp_table import (
    ARK,
    ASK,
    VCEK,
    VLEK,
    CertificateTable,
    parse_certificate_table,
    split_extended_report,
)
from attestation.model import CERTIFICATE, Evidence, Format, Part
from attestation.x509 import Certificate, parse_certificate

REPORT: Final = "report"
CERTIFICATE_TABLE: Final = "certificate_table"

MAX_EVIDENCE_BYTES: Final = 72 * 1024  # a report and the largest table
MAX_CHAIN: Final = 3


def evidence(*, report: bytes | None, certificates: Iterable[bytes]) -> Evidence:
    """A report of 1184 bytes and DER certificates: VCEK or VLEK, then perhaps ASK or ASVK, then perhaps ARK.

    Without a report the verdict is about the endorsement key alone.
    """
    parts = () if report is None else (Part(REPORT, report),)
    return Evidence(Format.AMD_SEV_SNP, (*parts, *(Part(CERTIFICATE, bytes(der)) for der in certificates)))


def extended_evidence(*, report: bytes, certificate_table: bytes) -> Evidence:
    """A report and the table that came with it (SNP_GET_EXT_REPORT; auxblob of configfs-tsm)."""
    return Evidence(Format.AMD_SEV_SNP, (Part(REPORT, report), Part(CERTIFICATE_TABLE, certificate_table)))


def extended_report_evidence(data: bytes) -> Evidence:
    """From one buffer with the table behind the report."""
    report, table = split_extended_report(data)
    return extended_evidence(report=report, certificate_table=table)


@dataclass(frozen=True, slots=True)
class SevSnpParts:
    """What was read: the report, where there is one, and the chain from the endorsement key up, as far as it goes."""

    report: Report | None
    chain: tuple[Certificate, ...]


def read_parts(found: Evidence) -> SevSnpParts:
    """Parse within bounds; EvidenceError when parts are missing, unknown, doubled or cannot be read."""
    if found.size > MAX_EVIDENCE_BYTES:
        raise EvidenceError(f"evidence of {found.size} bytes, at most {MAX_EVIDENCE_BYTES}")
    reports, tables, certificates = found.named(REPORT), found.named(CERTIFICATE_TABLE), found.named(CERTIFICATE)
    if len(reports) + len(tables) + len(certificates) != len(found.parts) or len(reports) > 1 or len(tables) > 1:
        raise EvidenceError("evidence is not one report with certificates or one table")
    report = parse_report(reports[0]) if reports else None
    if not tables:
        if not 1 <= len(certificates) <= MAX_CHAIN:
            raise EvidenceError(f"{len(certificates)} certificates, 1 to {MAX_CHAIN} are possible")
        return SevSnpParts(report, parse_chain(certificates))
    if report is None or certificates:
        raise EvidenceError("a certificate table comes with a report and without other certificates")
    return SevSnpParts(report, _chain_of_table(parse_certificate_table(tables[0]), report))


def _chain_of_table(table: CertificateTable, report: Report) -> tuple[Certificate, ...]:
    """The key that the report says signed it, and above it what issued it by name: hosts keep an ASK beside a VLEK."""
    data = table.get(VLEK if report.signing_key is SigningKey.VLEK else VCEK)
    if data is None:
        raise EvidenceError("certificate table does not have the key that signed the report")
    chain = [parse_certificate(data)]
    for kind in (ASK, ARK):
        candidate = table.get(kind)
        if candidate is not None:
            certificate = parse_certificate(candidate)
            if certificate.subject == chain[-1].issuer:
                chain.append(certificate)
    return tuple(chain)
