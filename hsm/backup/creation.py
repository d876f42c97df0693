"""Making a backup while the service runs."""

import asyncio
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from hallmark_envelope import HpkeKem
from hsm.errors import TokenUnavailable, UnsupportedAlgorithm
from hsm.pkcs11.settings import Pkcs11Settings, is_softhsm, resolve_module

from . import folder
from .archive import BackupFacts, Files, seal_archive
from .proof import KeyToCheck, prove_copy

_PROOF_SUFFIX: Final = ".backup-proof"


def require_softhsm(settings: Pkcs11Settings) -> None:
    """Raises UnsupportedAlgorithm, ModuleNotFound."""
    if not is_softhsm(resolve_module(settings.module)):
        raise UnsupportedAlgorithm(
            "only SoftHSM keeps its token in files that can be copied: use the backup of your HSM's maker"
        )


async def create_backup(
    settings: Pkcs11Settings,
    *,
    recovery_kem: HpkeKem,
    recovery_public_key: bytes,
    keys: Sequence[KeyToCheck],
    now: datetime,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> bytes:
    """The archive, after a copy of the token was seen to work with every one of `keys`.

    A PIN that stands in the data folder goes along; one from elsewhere (pin_file, pin_env) must be kept by other means.
    Signing goes on meanwhile. Raises UnsupportedAlgorithm, TokenUnavailable, RestoreFailed, InvalidRequest.
    """
    require_softhsm(settings)
    files = await asyncio.to_thread(folder.read_standing, settings.data_folder)
    copy = settings.data_folder.with_name(settings.data_folder.name + _PROOF_SUFFIX)
    folder.remove(copy)
    try:
        await asyncio.to_thread(folder.write_new, copy, files)
        await prove_copy(copy, settings, keys)
    finally:
        folder.remove(copy)
    facts = _facts(files, recovery_kem, recovery_public_key, now)
    return await asyncio.to_thread(seal_archive, files, facts, recovery_public_key, random_bytes)


def _facts(files: Files, kem: HpkeKem, recovery_public_key: bytes, now: datetime) -> BackupFacts:
    try:
        record = json.loads(files[folder.RECORD])
        serial, label = str(record["serial"]), str(record["label"])
    except (ValueError, KeyError, TypeError):
        raise TokenUnavailable(f"{folder.RECORD} is damaged") from None
    return BackupFacts(
        created_at=now,
        token_serial=serial,
        token_label=label,
        recovery_kem=kem,
        recovery_key_sha256=hashlib.sha256(recovery_public_key).digest(),
    )
