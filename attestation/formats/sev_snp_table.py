"""The certificate table that a host lays beside a report (GHCB specification, 56421, "SNP Extended Guest Request").

Entries of 24 octets: a GUID as its text reads (RFC 9562, 4), offset and length (32 bits each, little endian), counted
from the beginning of the table; an entry of zeros ends the list. What the host put in is a hint: certificates are found
here, believed only by their chain; CRLs are not taken from here at all.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from attestation.errors import EvidenceError
from attestation.formats.sev_snp_report import REPORT_BYTES

MAX_ENTRIES: Final = 16
MAX_TABLE_BYTES: Final = 64 * 1024

ENTRY_BYTES: Final = 24

VCEK: Final = UUID("63da758d-e664-4564-adc5-f4b93be8accd")
VLEK: Final = UUID("a8074bc2-a25a-483e-aae6-39c045a0b8a1")
ASK: Final = UUID("4ab7b379-bbac-4fe4-a02f-05aef327c782")
ARK: Final = UUID("c0b406a4-a803-4952-9743-3fb6014cd0ae")


@dataclass(frozen=True, slots=True)
class CertificateTable:
    """Contents by GUID. Kinds that attestation does not use are kept and never looked at."""

    entries: dict[UUID, bytes]

    def get(self, kind: UUID) -> bytes | None:
        return self.entries.get(kind)


def parse_certificate_table(data: bytes) -> CertificateTable:
    """Read a table of at most 64 KiB and 16 entries; EvidenceError for anything else."""
    if len(data) > MAX_TABLE_BYTES:
        raise EvidenceError(f"certificate table of {len(data)} bytes, at most {MAX_TABLE_BYTES}")
    entries: dict[UUID, bytes] = {}
    for index in range(MAX_ENTRIES + 1):
        entry = data[index * ENTRY_BYTES : (index + 1) * ENTRY_BYTES]
        if len(entry) != ENTRY_BYTES:
            raise EvidenceError("certificate table does not end")
        if not any(entry):
            return CertificateTable(entries)
        kind = UUID(bytes=entry[:16])
        if kind in entries:
            raise EvidenceError(f"certificate table has {kind} twice")
        offset, length = int.from_bytes(entry[16:20], "little"), int.from_bytes(entry[20:], "little")
        if offset + length > len(data):
            raise EvidenceError("certificate table points behind its end")
        entries[kind] = data[offset : offset + length]
    raise EvidenceError(f"certificate table of more than {MAX_ENTRIES} entries")


def split_extended_report(data: bytes) -> tuple[bytes, bytes]:
    """Report and certificate table of an extended report, which is one after the other."""
    return data[:REPORT_BYTES], data[REPORT_BYTES:]
