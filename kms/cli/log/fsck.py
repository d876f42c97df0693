"""`hallmark log fsck`: the operator's own check of the database behind the log."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from kms.cli.failure import ExitCode, not_usable
from kms.cli.hsm.home import home_options
from kms.cli.invocation import json_option
from kms.cli.log.progress import progress
from kms.cli.output import print_json
from kms.config import Config

if TYPE_CHECKING:
    from kms.log.fsck.fsck import Examined, Finding

_FINDINGS_IN_JSON: Final = 10_000


@click.command()
@home_options()
@click.option("--database", metavar="URL", help="Another database than the settings name; read only.")
@click.option(
    "--public",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder of the public files. Default: that of the home; with --database none.",
)
@json_option
def fsck(config: Config, database: str | None, public: Path | None, as_json: bool) -> None:
    """Check the log's database against itself and against its published files: every entry, tile and checkpoint.

    Reads only. With SQLite the server must be stopped; PostgreSQL is read in one snapshot while servers run. Reports
    every finding and ends with 1 if there is one. Closed logs are checked too.

    \b
    Example:  hallmark log fsck --home hallmark-data
              hallmark log fsck --database postgresql+psycopg://hallmark@db/hallmark --public /srv/public --json
    """
    if database is not None:
        config = config.model_copy(update={"database": config.database.model_copy(update={"url": database})})
    elif public is None:
        public = config.path(config.log.public_folder)
    files = public if public is not None and public.is_dir() else None
    findings: list[Finding] = []
    count = 0

    def found(finding: "Finding") -> None:
        nonlocal count
        count += 1
        if not as_json:
            click.echo(f"{finding.place}: {finding.problem} ({finding.log})")
        elif count <= _FINDINGS_IN_JSON:
            findings.append(finding)

    examined = asyncio.run(_examine(config, files, found))
    if as_json:
        print_json(_document(examined, findings, count))
    else:
        _tell(examined, count)
    if count:
        click.get_current_context().exit(ExitCode.NOT_SO)


async def _examine(config: Config, folder: Path | None, found: Any) -> "list[Examined]":
    from kms.app.offline import DatabaseUnfit, open_database_offline
    from kms.log.fsck import fsck as examination
    from kms.log.fsck.files import PublishedFiles

    files = None if folder is None else PublishedFiles(folder)
    show = progress("examined")
    try:
        async with open_database_offline(config) as opened:
            examined = await opened.read(lambda tx: examination.fsck(tx, found, public=files, progress=show))
    except DatabaseUnfit as error:
        advice = "--home says where the server's home is, --database where its database is"
        raise not_usable("DATABASE_UNFIT", str(error), advice) from error
    if not examined:
        raise not_usable("LOG_MISSING", "there is no log in this database", "`hallmark serve` begins one")
    return examined


def _document(examined: "list[Examined]", findings: "list[Finding]", count: int) -> dict[str, Any]:
    return {
        "sound": count == 0,
        "logs": [
            {
                "origin": log.origin,
                "entries": log.entries,
                "tiles": log.tiles,
                "checkpoints": log.checkpoints,
                "files": log.files,
                "published": log.published,
            }
            for log in examined
        ],
        "findings_total": count,
        "findings": [{"log": each.log, "place": each.place, "problem": each.problem} for each in findings],
    }


def _tell(examined: "list[Examined]", count: int) -> None:
    for log in examined:
        published = "no files were compared" if log.published is None else f"{log.files} files, to size {log.published}"
        click.echo(
            f"{log.origin}: {log.entries} entries, {log.tiles} tiles, {log.checkpoints} checkpoints; {published}"
        )
    click.echo("The log is sound." if not count else f"{count} findings: the log is NOT sound.")
