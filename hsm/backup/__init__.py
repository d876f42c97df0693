"""Backups of a SoftHSM token, sealed to a recovery key, and their restoration elsewhere or in place: all or nothing.

    archive = await create_backup(settings, recovery_kem=..., recovery_public_key=..., keys=..., now=...)
    report = await restore_backup(archive, recovery_key=..., settings=..., keys=..., replace=False, now=...)

Keys in the token cannot be extracted, so what is copied is the token itself, whose files are encrypted under its PIN.
The recovery key is an HPKE key of hallmark_envelope whose seed is kept offline. Other tokens have their maker's backup.
"""

from .archive import BackupFacts, read_facts
from .creation import create_backup
from .proof import KeyToCheck
from .restoration import RestoreReport, restore_backup

__all__ = ["BackupFacts", "KeyToCheck", "RestoreReport", "create_backup", "read_facts", "restore_backup"]
