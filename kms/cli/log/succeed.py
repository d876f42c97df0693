"""`hallmark log succeed`: the log ends, and another begins that says it follows."""

import asyncio
from typing import TYPE_CHECKING

import click

from kms.cli.failure import not_usable
from kms.cli.hsm.home import home_options, require_token
from kms.cli.invocation import json_option
from kms.cli.output import print_facts, print_json
from kms.config import Config

if TYPE_CHECKING:
    from kms.log.keys.succession import Succeeded


@click.command()
@click.option(
    "--new-origin", required=True, metavar="NAME", help="Name of the log that follows, such as log.example/2."
)
@click.option(
    "--after-rollback",
    is_flag=True,
    help="The database was set back and there is no newer backup: leave the old log as it was published.",
)
@home_options()
@json_option
def succeed(config: Config, new_origin: str, after_rollback: bool, as_json: bool) -> None:
    """Close the log and begin another that follows it, with new keys. For a new Ed25519 key, or after a rollback.

    Stop every server of this database first. The old log gets a last entry that names its successor and the new keys,
    and a final checkpoint; its files and proofs stay valid for ever, with its own keys. The new log begins with an
    entry that names the old one. A run that was interrupted is finished by running it again with the same name.

    An ML-DSA-44 key is changed without all this: hallmark log rotate-key.

    \b
    Example:  hallmark log succeed --home ./hallmark-data --new-origin log.example/2
    Then:     hallmark serve
              hallmark log keys --output log.vkey
    """
    require_token(config)
    done = asyncio.run(_run(config, new_origin, after_rollback=after_rollback))
    if as_json:
        print_json(
            {
                "predecessor": done.predecessor,
                "final_size": done.final.size,
                "final_root": done.final.root.hex(),
                "origin": done.origin,
                "prefix": done.prefix,
                "verifier_keys": list(done.verifier_keys),
            }
        )
    else:
        _tell(done, config)


async def _run(config: Config, new_origin: str, *, after_rollback: bool) -> "Succeeded":
    from kms.app.log_succession import succeed_log

    try:
        return await succeed_log(config, new_origin, after_rollback=after_rollback)
    except ValueError as error:
        raise not_usable("ORIGIN_INVALID", str(error), "Give a name such as log.example/2") from error


def _tell(done: "Succeeded", config: Config) -> None:
    click.echo(f"The log {done.predecessor} is closed; {done.origin} follows it.")
    print_facts(
        {
            "final size": done.final.size,
            "final root": done.final.root.hex(),
            "new files": f"{config.log.public_folder}/{done.prefix}",
            "verifier keys": list(done.verifier_keys),
        }
    )
    if config.log.origin is not None:
        click.echo(f"Now set log.origin to {done.origin} in the settings.")
    click.echo("Next: hallmark serve; then tell the witnesses and auditors the new verifier keys.")
