"""`hallmark backup`: everything a server keeps, sealed to the recovery key; verified; restored."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kms.cli.connection import DEFAULT_HOME
from kms.cli.failure import CommandError, ExitCode, not_so, not_usable
from kms.cli.invocation import json_option
from kms.cli.output import print_facts, print_json
from kms.config import load_config

if TYPE_CHECKING:
    from kms.app.backup import Manifest

_FOLDER = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_GUARD = (
    "If anything remembers more of the log than size {size} (public files, guard file, export bucket, witness), the "
    "server will refuse to start: take a newer backup. If there is none: hallmark log succeed --after-rollback"
)


@click.group()
def backup() -> None:
    """Back up everything a server keeps, verify a backup, restore it.

    \b
    Example:  hallmark hsm recovery-key recovery.json        # then take recovery.json off this machine
              hallmark backup create --output backup-1 --recipient recovery.json.pub
              hallmark backup verify backup-1
              hallmark backup restore backup-1 --home ./elsewhere --recovery-key recovery.json
    """


@backup.command()
@click.option("--output", type=_FOLDER, required=True, help="New folder for the backup.")
@click.option("--recipient", type=_FILE, required=True, help="Public recovery key, from `hallmark hsm recovery-key`.")
@click.option(
    "--home", type=_FOLDER, envvar="HALLMARK_HOME", default=DEFAULT_HOME, show_default=True, help="The server's."
)
@click.option("--config", "settings", type=_FILE, help="The server's settings; they are part of the backup.")
@json_option
def create(output: Path, recipient: Path, home: Path, settings: Path | None, as_json: bool) -> None:
    """Back up database, token, certificates and settings while the server runs. PostgreSQL: needs pg_dump.

    All of it is sealed to the recovery key; in clear is manifest.json, which says what there is and how long the log
    was. Left out: the public files, and the log's guard file, which must never be restored.

    \b
    Example:  hallmark backup create --output backup-1 --recipient recovery.json.pub
    Then:     hallmark backup verify backup-1
    """
    from kms.app import backup as work
    from kms.app.backup_database import BackupProblem
    from kms.app.backup_sealing import Recipient
    from kms.cli.hsm.recovery_key import read_recipient

    config = load_config(settings, overrides={"home": home})

    def told(what: str) -> None:
        if not as_json:
            click.echo(f"  {what}", err=True)

    kem, public_key = read_recipient(recipient)
    try:
        made = asyncio.run(work.create(config, settings, output, Recipient(kem, public_key), told=told))
    except BackupProblem as error:
        raise not_usable("BACKUP_NOT_MADE", str(error)) from error
    _tell(output, made, as_json=as_json, next_step=f"hallmark backup verify {output}; note the SHA-256 elsewhere")


@backup.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--manifest-sha256", default="", help="What `backup create` printed; without it, any whole backup will do."
)
@json_option
def verify(folder: Path, manifest_sha256: str, as_json: bool) -> None:
    """Check that FOLDER is a whole backup: every file is what the manifest says. Needs no key.

    \b
    Example:  hallmark backup verify backup-1
    Then:     hallmark backup restore backup-1 --home ./elsewhere --recovery-key recovery.json
    """
    from kms.app import backup as work
    from kms.app.backup_database import BackupProblem

    try:
        found = work.verify(folder)
    except (BackupProblem, FileNotFoundError) as error:
        raise not_so("BACKUP_BROKEN", str(error), "Take another backup") from error
    if manifest_sha256 and work.manifest_sha256(folder) != manifest_sha256:
        raise not_so("BACKUP_OTHER", f"{folder} is a whole backup, but not the one with this manifest")
    _tell(
        folder, found, as_json=as_json, next_step=f"hallmark backup restore {folder} --home NEW --recovery-key PRIVATE"
    )


@backup.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--home", type=_FOLDER, required=True, help="New home folder; it must be empty or not there.")
@click.option("--recovery-key", "key_file", type=_FILE, required=True, help="The private recovery key.")
@click.option("--database-url", help="Instead of that in the settings, such as the URL of a new, empty PostgreSQL.")
@json_option
def restore(folder: Path, home: Path, key_file: Path, database_url: str | None, as_json: bool) -> None:
    """Restore a backup into a new home folder: all of it, or nothing. Every key of the database signs once before.

    A server that is older than what its log has published refuses to start; the answer says what to do then.

    \b
    Example:  hallmark backup restore backup-1 --home ./elsewhere --recovery-key recovery.json
    Then:     hallmark serve --home ./elsewhere --config ./elsewhere/settings.toml
    """
    from kms.app.backup_database import BackupProblem
    from kms.app.backup_restoring import restore as run
    from kms.app.backup_sealing import SealBroken
    from kms.cli.hsm.recovery_key import read_private_key

    key = read_private_key(key_file)
    try:
        done = asyncio.run(run(folder, home, key, database_url=database_url))
    except (BackupProblem, SealBroken) as error:
        raise CommandError("BACKUP_NOT_RESTORED", str(error), exit_code=ExitCode.NOT_USABLE) from error
    guard = _GUARD.format(size=done.manifest.log_size)
    serve = f"hallmark serve --home {home}" + (f" --config {done.settings}" if done.settings else "")
    if as_json:
        facts = {"home": str(home), "keys_checked": done.keys_checked, "log_size": done.manifest.log_size}
        print_json({**facts, "rollback_guard": guard, "next": serve})
        return
    click.echo(f"Restored the backup of {done.manifest.created_at} into {home}; {done.keys_checked} keys work.")
    click.echo(guard)
    click.echo(f"Next: {serve}")


def _tell(folder: Path, manifest: "Manifest", *, as_json: bool, next_step: str) -> None:
    from kms.app.backup import manifest_sha256

    digest = manifest_sha256(folder)
    if as_json:
        files = [{"name": file.name, "bytes": file.bytes, "sha256": file.sha256} for file in manifest.files]
        log = {"origin": manifest.log_origin, "size": manifest.log_size, "root": manifest.log_root}
        print_json({"folder": str(folder), "manifest_sha256": digest, "log": log, "files": files})
        return
    print_facts(
        {
            "backup": str(folder),
            "made": manifest.created_at,
            "manifest SHA-256": digest,
            "log": f"{manifest.log_origin}, size {manifest.log_size}",
            "files": [f"{file.name} ({file.bytes} bytes)" for file in manifest.files],
        }
    )
    click.echo(f"Next: {next_step}")
