"""`hallmark hsm rewrap`: a new key-encryption key for everything that is sealed."""

import asyncio
from typing import TYPE_CHECKING

import click

from kms.cli.failure import ExitCode
from kms.cli.hsm.home import home_options, require_token
from kms.cli.invocation import json_option
from kms.cli.output import print_json
from kms.config import Config

if TYPE_CHECKING:
    from kms.keys.rewrapping import RewrapReport


@click.command()
@home_options()
@json_option
def rewrap(config: Config, as_json: bool) -> None:
    """Make a new key-encryption key in the token, move all sealed keys to it, destroy the old one.

    Stop every server that uses this token first. A run that was interrupted is finished by the next one. Signatures
    and public keys stay as they are; the log tells how many keys moved. Ends with 1 when a key did not open: the old
    key-encryption key stays then. Make a new backup afterwards: earlier ones do not hold the new key.

    \b
    Example:  hallmark hsm rewrap --home ./hallmark-data
    Then:     hallmark hsm backup token.backup --recipient recovery.json.pub
              hallmark serve
    """
    require_token(config)
    report = asyncio.run(_run(config))
    if as_json:
        print_json(
            {
                "newest": {"id": report.newest.kek_id.hex(), "generation": report.newest.generation},
                "moved": report.moved,
                "failed": report.failed,
                "destroyed": [kek_id.hex() for kek_id in report.destroyed],
                "kept": [kek_id.hex() for kek_id in report.kept],
            }
        )
    else:
        _tell(report)
    if report.failed or report.kept:
        click.get_current_context().exit(ExitCode.NOT_SO)


async def _run(config: Config) -> "RewrapReport":
    from kms.app.offline import open_offline
    from kms.keys.rewrapping import Rewrapper

    async with open_offline(config) as home:
        return await Rewrapper(
            database=home.database,
            provider=home.provider,
            log=home.log,
            clock=home.clock,
            randomness=home.randomness,
        ).run()


def _tell(report: "RewrapReport") -> None:
    click.echo(f"Moved {report.moved} sealed keys to the key-encryption key of generation {report.newest.generation}.")
    for name, problem in report.failed.items():
        click.echo(f"NOT moved: {name}: {problem}", err=True)
    click.echo(f"Destroyed {len(report.destroyed)} older ones, kept {len(report.kept)} that are still needed.")
    click.echo("Next: hallmark serve; then make a new backup, because earlier ones do not hold the new key.")
