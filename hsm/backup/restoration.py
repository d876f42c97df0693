"""Restoring a backup: staged beside the target, proved, and switched in at once. Before that nothing changes."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from hallmark_envelope import EnvelopePrivateKey
from hsm.errors import RestoreFailed
from hsm.pkcs11.settings import Pkcs11Settings
from hsm.pkcs11.use import exclusive_use, is_occupied

from . import folder
from .archive import BackupFacts, open_archive
from .creation import require_softhsm
from .proof import KeyToCheck, prove_copy

_STAGE_SUFFIX: Final = ".restoring"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreReport:
    backup: BackupFacts
    keys_checked: int
    replaced: Path | None
    """Where the token that was there before is kept; None when there was none."""


async def restore_backup(
    archive: bytes,
    *,
    recovery_key: EnvelopePrivateKey,
    settings: Pkcs11Settings,
    keys: Sequence[KeyToCheck],
    replace: bool,
    now: datetime,
) -> RestoreReport:
    """All or nothing: `settings.data_folder` holds the restored token, or what it held before.

    Steps: open the archive; write the token beside the target; sign with every one of `keys`; switch. A token that is
    there is replaced only with `replace`, and kept. Raises BackupInvalid, RestoreFailed (also while a service uses the
    target), UnsupportedAlgorithm.
    """
    require_softhsm(settings)
    facts, files = await asyncio.to_thread(open_archive, archive, recovery_key)
    target = settings.data_folder
    occupied = is_occupied(target)
    if occupied and not replace:
        raise RestoreFailed(f"{target} is not empty: name another folder, or say that it is to be replaced")
    staged = target.with_name(target.name + _STAGE_SUFFIX)
    kept = target.with_name(f"{target.name}.replaced-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}")
    if kept.exists():
        raise RestoreFailed(f"{kept} is there already: move it away, or try again in a second")
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.remove(staged)
    try:
        await asyncio.to_thread(folder.write_new, staged, files)
        await prove_copy(staged, settings, keys)
        (staged / settings.softhsm_configuration.name).unlink(missing_ok=True)  # it names the staging folder
        with exclusive_use(target):
            folder.switch_in(staged, target, kept=kept)
    finally:
        folder.remove(staged)
    if not occupied:
        folder.remove(kept)  # an empty folder
    return RestoreReport(backup=facts, keys_checked=len(keys), replaced=kept if occupied else None)
