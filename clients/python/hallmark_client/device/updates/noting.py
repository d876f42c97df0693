"""What updates write into the audit chain: what was installed, and what was refused and why."""

from datetime import datetime
from typing import Final

from hallmark_client.device.audit import AuditAct, AuditOutcome, AuditRecord
from hallmark_client.device.model import Artifact
from hallmark_client.device.updates.errors import UpdateFailed
from hallmark_client.device.vault import Vault
from hallmark_release.errors import ReleaseError

_TEXT_MAX: Final = 256


def note_installed(vault: Vault, artifact: Artifact, *, now: datetime, boot_seconds: int) -> None:
    """Durable when it returns. Raises StoreFailed."""
    record = AuditRecord(
        time=now,
        boot_seconds=boot_seconds,
        act=AuditAct.UPDATE_INSTALLED,
        artifact_id=artifact.artifact_id,
        name=artifact.name,
        version=artifact.version,
        facts={"digest": artifact.digest},
    )
    with vault.writing() as chain:
        chain.append(record)


def note_refused(
    vault: Vault, model: str, error: ReleaseError | UpdateFailed, *, now: datetime, boot_seconds: int
) -> None:
    """Durable when it returns. Raises StoreFailed."""
    record = AuditRecord(
        time=now,
        boot_seconds=boot_seconds,
        act=AuditAct.UPDATE_INSTALLED,
        outcome=AuditOutcome.DENIED,
        name=model,
        facts={"error": type(error).__name__, "reason": error.reason[:_TEXT_MAX]},
    )
    with vault.writing() as chain:
        chain.append(record)
