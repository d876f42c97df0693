"""What a vault did, as a hash chain that can be anchored in the transparency log: docs/device-audit.md."""

from hallmark_client.device.audit.buffered import BufferedAudit
from hallmark_client.device.audit.chain import AuditChain, create_tables
from hallmark_client.device.audit.counted import CountedDenials
from hallmark_client.device.audit.errors import AuditBroken
from hallmark_client.device.audit.export import VerifiedExport, export, verify_export
from hallmark_client.device.audit.following import ANCHORED_EVENT, Anchor
from hallmark_client.device.audit.record import (
    NO_ENTRIES,
    AuditAct,
    AuditEntry,
    AuditHead,
    AuditOutcome,
    AuditRecord,
)

__all__ = [
    "ANCHORED_EVENT",
    "NO_ENTRIES",
    "Anchor",
    "AuditAct",
    "AuditBroken",
    "AuditChain",
    "AuditEntry",
    "AuditHead",
    "AuditOutcome",
    "AuditRecord",
    "BufferedAudit",
    "CountedDenials",
    "VerifiedExport",
    "create_tables",
    "export",
    "verify_export",
]
