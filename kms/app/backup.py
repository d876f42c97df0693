"""Everything a server keeps, in one folder that may lie anywhere: sealed but for a manifest that says what there is.

database.sealed   the database
files.sealed      tar of the home's tls/ and clients/ (private keys of certificates), log-origin, and the settings file
token.backup      the SoftHSM token (hsm.backup); not there for another HSM
manifest.json     in clear: what there is, with SHA-256, and how long the log was

Left out on purpose: the public files, which anybody may copy, and the log's guard file, which must never be restored.
"""

import asyncio
import hashlib
import json
import os
import secrets
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from hsm.backup import create_backup as back_up_token
from hsm.errors import UnsupportedAlgorithm
from kms.app.backup_database import BackupProblem, DatabaseFacts, copy_database, read_facts
from kms.app.backup_sealing import ID_BYTES, Recipient, seal_file
from kms.app.hsm import pkcs11_settings
from kms.app.token_backup import keys_to_check
from kms.config import Config
from kms.core.clock import format_time
from kms.public.durable import sync_folder

MANIFEST: Final = "manifest.json"
DATABASE: Final = "database.sealed"
FILES: Final = "files.sealed"
TOKEN: Final = "token.backup"  # noqa: S105 - a file name
SETTINGS: Final = "settings.toml"
KEPT: Final = ("tls", "clients", "log-origin")
"""Of the home folder. `tls` has the key of the certificate authority, `clients` those of clients and edges."""
_KIND: Final = "backup"
_MANIFEST_BYTES_MAX: Final = 64 * 1024
_SHA256_CHARACTERS: Final = 64
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class BackupFile:
    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """`log_size`, `log_root` (32 bytes, hexadecimal): of the log when the backup was begun; the copy has that much."""

    id: bytes
    created_at: str
    version: str
    database: str
    revision: str
    log_origin: str
    log_size: int
    log_root: str
    files: tuple[BackupFile, ...]

    def names(self) -> frozenset[str]:
        return frozenset(file.name for file in self.files)


async def create(
    config: Config, settings_file: Path | None, folder: Path, recipient: Recipient, *, told: Progress
) -> Manifest:
    """Fills `folder`, which must be new or empty. The database goes first: the token then has every key it names.

    Raises BackupProblem, HsmError, OSError.
    """
    _make_folder(folder)
    backup_id = secrets.token_bytes(ID_BYTES)
    facts = await read_facts(config)
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=folder) as scratch:
        told("the database")
        plain = Path(scratch) / "database"
        await asyncio.to_thread(copy_database, config, plain)
        await asyncio.to_thread(seal_file, plain, folder / DATABASE, recipient, backup_id)
        plain.unlink()
        told("certificates and settings")
        archive = Path(scratch) / "files"
        await asyncio.to_thread(_pack, config.home, settings_file, archive)
        await asyncio.to_thread(seal_file, archive, folder / FILES, recipient, backup_id)
    told("the token: every key in a copy of it signs once")
    names = [DATABASE, FILES]
    try:
        token = await back_up_token(
            pkcs11_settings(config),
            recovery_kem=recipient.kem,
            recovery_public_key=recipient.public_key,
            keys=await keys_to_check(config),
            now=datetime.now(UTC),
        )
    except UnsupportedAlgorithm:
        told("the token is not SoftHSM's: use the backup of your HSM's maker")
    else:
        _write(folder / TOKEN, token)
        names.append(TOKEN)
    manifest = _manifest(backup_id, facts, [_describe(folder / name) for name in names])
    _write(folder / MANIFEST, json.dumps(_to_json(manifest), indent=2).encode() + b"\n")
    sync_folder(folder)
    return manifest


def verify(folder: Path) -> Manifest:
    """That every file is there and is what the manifest says. Raises BackupProblem, OSError."""
    manifest = read_manifest(folder)
    for file in manifest.files:
        found = _describe(folder / file.name)
        if found != file:
            raise BackupProblem(f"{folder / file.name} is not what the manifest says: it was changed or cut short")
    return manifest


def manifest_sha256(folder: Path) -> str:
    """Note it elsewhere when the backup is made: it is all that tells a backup from another one."""
    return hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()


def read_manifest(folder: Path) -> Manifest:
    """Raises BackupProblem, OSError."""
    with (folder / MANIFEST).open("rb") as file:
        data = file.read(_MANIFEST_BYTES_MAX)
    try:
        return _from_json(json.loads(data))
    except (ValueError, KeyError, TypeError):
        raise BackupProblem(f"{folder / MANIFEST} is not the manifest of a backup, or of a later version") from None


def _manifest(backup_id: bytes, facts: DatabaseFacts, files: list[BackupFile]) -> Manifest:
    return Manifest(
        id=backup_id,
        created_at=format_time(datetime.now(UTC)),
        version=version("hallmark"),
        database=facts.engine,
        revision=facts.revision,
        log_origin=facts.origin,
        log_size=facts.size,
        log_root=facts.root.hex(),
        files=tuple(files),
    )


def _to_json(manifest: Manifest) -> dict[str, Any]:
    files = [{"name": file.name, "bytes": file.bytes, "sha256": file.sha256} for file in manifest.files]
    return {
        "hallmark": _KIND,
        "v": 1,
        "id": manifest.id.hex(),
        "created_at": manifest.created_at,
        "version": manifest.version,
        "database": {"engine": manifest.database, "revision": manifest.revision},
        "log": {"origin": manifest.log_origin, "size": manifest.log_size, "root": manifest.log_root},
        "files": files,
    }


def _from_json(found: dict[str, Any]) -> Manifest:
    """Raises ValueError, KeyError, TypeError."""
    files = tuple(BackupFile(str(file["name"]), int(file["bytes"]), str(file["sha256"])) for file in found["files"])
    names = [file.name for file in files]
    is_ours = (found["hallmark"], found["v"]) == (_KIND, 1)
    if not is_ours or len(bytes.fromhex(found["id"])) != ID_BYTES or len(set(names)) != len(names):
        raise ValueError
    if not {DATABASE, FILES} <= set(names) <= {DATABASE, FILES, TOKEN}:
        raise ValueError
    if any(len(file.sha256) != _SHA256_CHARACTERS for file in files):
        raise ValueError
    return Manifest(
        id=bytes.fromhex(found["id"]),
        created_at=str(found["created_at"]),
        version=str(found["version"]),
        database=str(found["database"]["engine"]),
        revision=str(found["database"]["revision"]),
        log_origin=str(found["log"]["origin"]),
        log_size=int(found["log"]["size"]),
        log_root=str(found["log"]["root"]),
        files=files,
    )


def _pack(home: Path, settings_file: Path | None, target: Path) -> None:
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with tarfile.open(target, "w") as archive:
        for name in KEPT:
            if (home / name).exists():
                archive.add(home / name, arcname=name)
        if settings_file is not None:
            archive.add(settings_file, arcname=SETTINGS)


def _make_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise BackupProblem(f"{folder} is not empty: name a new folder for each backup")
    folder.chmod(0o700)


def _describe(file: Path) -> BackupFile:
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return BackupFile(file.name, file.stat().st_size, digest)


def _write(file: Path, content: bytes) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
