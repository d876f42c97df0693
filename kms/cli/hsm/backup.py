"""`hallmark hsm recovery-key`, `backup`, `restore`: the token, sealed to a key that is kept elsewhere."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from kms.cli.failure import not_usable
from kms.cli.hsm.home import home_options, require_token
from kms.cli.invocation import json_option
from kms.cli.output import moment, print_json, read_file, write_file
from kms.config import Config

if TYPE_CHECKING:
    from hsm.backup import RestoreReport

_ARCHIVE_MAX: Final = 300 * 1024 * 1024
_NEW_FILE: Final = click.Path(path_type=Path, dir_okay=False)
_OLD_FILE: Final = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command("recovery-key")
@click.argument("file", type=_NEW_FILE)
@json_option
def recovery_key(file: Path, as_json: bool) -> None:
    """Make the key that backups are sealed to: FILE is private and to be kept offline, FILE.pub is for backups.

    \b
    Example:  hallmark hsm recovery-key recovery.json
    Then:     hallmark hsm backup token.backup --recipient recovery.json.pub
    """
    from kms.cli.hsm.recovery_key import create_recovery_key

    public_file = create_recovery_key(file)
    if as_json:
        print_json({"private_file": str(file), "public_file": str(public_file)})
        return
    click.echo(f"Made {file}: take it off this machine; who has it can open backups. {public_file} is no secret.")
    click.echo(f"Next: hallmark hsm backup token.backup --recipient {public_file}")


@click.command()
@click.argument("file", type=_NEW_FILE)
@click.option("--recipient", type=_OLD_FILE, required=True, help="Public recovery key, from `hsm recovery-key`.")
@home_options()
@json_option
def backup(file: Path, recipient: Path, config: Config, as_json: bool) -> None:
    """Write a backup of the SoftHSM token to FILE, after a copy of it signed with every key in the database.

    A server may run meanwhile. The database is a separate backup (SQLite: `sqlite3 hallmark.db ".backup copy.db"`):
    take it BEFORE this one, so that the token has every key the database names.

    \b
    Example:  hallmark hsm backup token.backup --recipient recovery.json.pub
    Then:     hallmark hsm restore token.backup --home ./elsewhere --recovery-key recovery.json
    """
    from hsm.backup import create_backup
    from kms.app.hsm import pkcs11_settings
    from kms.app.token_backup import keys_to_check
    from kms.cli.hsm.recovery_key import read_recipient

    require_token(config)
    kem, public_key = read_recipient(recipient)

    async def run() -> tuple[bytes, int]:
        keys = await keys_to_check(config)
        archive = await create_backup(
            pkcs11_settings(config),
            recovery_kem=kem,
            recovery_public_key=public_key,
            keys=keys,
            now=datetime.now(UTC),
        )
        return archive, len(keys)

    archive, checked = asyncio.run(run())
    write_file(file, archive)
    if as_json:
        print_json({"file": str(file), "bytes": len(archive), "keys_checked": checked})
        return
    click.echo(f"Backed up the token to {file} ({len(archive)} bytes); {checked} keys in it were used and work.")
    click.echo(f"Next, to try it: hallmark hsm restore {file} --home ./elsewhere --recovery-key PRIVATE-FILE")


@click.command()
@click.argument("file", type=_OLD_FILE)
@click.option("--recovery-key", "key_file", type=_OLD_FILE, required=True, help="The private recovery key.")
@click.option("--replace", is_flag=True, help="Replace the token that is there; it is kept beside.")
@home_options()
@json_option
def restore(file: Path, key_file: Path, replace: bool, config: Config, as_json: bool) -> None:
    """Restore the token of a backup into a home folder: all of it, or nothing changes.

    Put the database's backup there first: then every key it names signs once before the token is switched in.
    A server that runs with this home must be stopped.

    \b
    Example:  hallmark hsm restore token.backup --home ./elsewhere --recovery-key recovery.json
    Then:     hallmark hsm doctor --home ./elsewhere
              hallmark serve --home ./elsewhere
    """
    report = asyncio.run(_restore(file, key_file, config, replace=replace))
    facts = report.backup
    if as_json:
        print_json(
            {
                "home": str(config.home),
                "token_serial": facts.token_serial,
                "backup_time": facts.created_at.isoformat(),
                "keys_checked": report.keys_checked,
                "replaced": report.replaced and str(report.replaced),
            }
        )
        return
    click.echo(f"Restored the token of {moment(facts.created_at)} into {config.home}; {report.keys_checked} keys work.")
    if not report.keys_checked:
        click.echo("There was no database to take keys from: see `hallmark hsm doctor` after it is in place.")
    if report.replaced is not None:
        click.echo(f"The token that was there is in {report.replaced}.")
    click.echo(f"Next: hallmark hsm doctor --home {config.home}")


async def _restore(file: Path, key_file: Path, config: Config, *, replace: bool) -> "RestoreReport":
    from hsm.backup import restore_backup
    from kms.app.hsm import pkcs11_settings
    from kms.app.token_backup import keys_to_check
    from kms.cli.hsm.recovery_key import read_private_key
    from kms.server.home import Home

    recovery = read_private_key(key_file)
    if config.home.exists() and not config.home.is_dir():
        raise not_usable("HOME_MISSING", f"{config.home} is not a folder")
    home = Home(config.home)
    home.open()
    try:
        return await restore_backup(
            read_file(file, _ARCHIVE_MAX),
            recovery_key=recovery,
            settings=pkcs11_settings(config),
            keys=await keys_to_check(config),
            replace=replace,
            now=datetime.now(UTC),
        )
    finally:
        home.close()
