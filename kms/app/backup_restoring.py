"""A backup brought back into a home folder of its own: staged beside it, proved, and switched in by one rename."""

import shutil
import tarfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from hallmark_envelope import EnvelopePrivateKey
from hsm.backup import restore_backup as restore_token
from kms.app.backup import DATABASE, FILES, KEPT, SETTINGS, TOKEN, Manifest, verify
from kms.app.backup_database import BackupProblem, restore_postgresql
from kms.app.backup_sealing import open_file
from kms.app.hsm import pkcs11_settings
from kms.app.token_backup import keys_to_check
from kms.config import Config, load_config
from kms.public.durable import sync_folder

_STAGE_SUFFIX: Final = ".restoring"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """`keys_checked`: keys of the database that signed once in the restored token. `settings`: the file, if any."""

    manifest: Manifest
    keys_checked: int
    settings: Path | None


async def restore(folder: Path, home: Path, key: EnvelopePrivateKey, *, database_url: str | None) -> Restored:
    """All of it, or nothing: `home` must be new or empty. `database_url`: instead of that in the settings; a PostgreSQL
    must be empty, and is filled last but for the token.

    Raises BackupProblem, SealBroken, HsmError, OSError.
    """
    manifest = verify(folder)
    _require_empty(home)
    stage = home.with_name(home.name + _STAGE_SUFFIX)
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(mode=0o700, parents=True)
    try:
        restored = await _fill(folder, stage, manifest, key, database_url)
        stage.replace(home)
        sync_folder(home.parent)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return replace(restored, settings=home / SETTINGS if restored.settings is not None else None)


def _require_empty(home: Path) -> None:
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise BackupProblem(f"{home} is not empty: restore into a new folder, and look at both before you remove one")


async def _fill(
    folder: Path, stage: Path, manifest: Manifest, key: EnvelopePrivateKey, database_url: str | None
) -> Restored:
    archive = stage / "files.tar"
    open_file(folder / FILES, archive, key, manifest.id)
    _unpack(archive, stage)
    settings = stage / SETTINGS if (stage / SETTINGS).exists() else None
    config = load_config(settings, overrides={"home": stage, "database.url": database_url, "hsm.signers": 1})
    _restore_database(folder, stage, manifest, key, config)
    checked = 0
    if TOKEN in manifest.names():
        report = await restore_token(
            (folder / TOKEN).read_bytes(),
            recovery_key=key,
            settings=pkcs11_settings(config),
            keys=await keys_to_check(config),
            replace=False,
            now=datetime.now(UTC),
        )
        checked = report.keys_checked
    return Restored(manifest=manifest, keys_checked=checked, settings=settings)


def _restore_database(folder: Path, stage: Path, manifest: Manifest, key: EnvelopePrivateKey, config: Config) -> None:
    url = sa.make_url(config.database_url)
    if url.get_backend_name() != manifest.database:
        raise BackupProblem(
            f"the backup is of a {manifest.database} database, database.url names {url.get_backend_name()}: a backup "
            "comes back on the kind of database it was made from"
        )
    if manifest.database == "sqlite":
        if url.database is None or Path(url.database).exists():
            raise BackupProblem(f"database.url names {url.database}, which is there already: move it away first")
        open_file(folder / DATABASE, Path(url.database), key, manifest.id)
        return
    dump = stage / "database.dump"
    try:
        open_file(folder / DATABASE, dump, key, manifest.id)
        restore_postgresql(url, dump)
    finally:
        dump.unlink(missing_ok=True)


def _unpack(archive: Path, stage: Path) -> None:
    """What was sealed is ours; all the same nothing may leave the folder, or be anything but files and folders."""
    with tarfile.open(archive) as opened:
        for member in opened.getmembers():
            if member.name.split("/", 1)[0] not in {*KEPT, SETTINGS} or not (member.isfile() or member.isdir()):
                raise BackupProblem(f"{member.name} does not belong into a backup")
        opened.extractall(stage, filter="data")
    archive.unlink()
    for path in stage.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
