"""`hallmark vault policy`: who may do what."""

import json
from pathlib import Path

import click

from kms.cli.invocation import json_option
from kms.cli.output import print_json
from kms.cli.vault.opening import Place, as_option, vault_options


@click.group()
def policy() -> None:
    """Who may do what with what is in the vault.

    \b
    Example:  hallmark vault policy show > policy.json
              hallmark vault policy set policy.json
    """


@policy.command()
@vault_options
@json_option
def show(place: Place, as_json: bool) -> None:
    """Print the policy in force, as `set` takes it.

    \b
    Example:  hallmark vault policy show > policy.json
    """
    del as_json  # it is JSON anyhow
    with place.open() as vault:
        print_json(json.loads(vault.policy.to_bytes()))


@policy.command("set")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@vault_options
@as_option
@json_option
def set_policy(file: Path, place: Place, application: str, as_json: bool) -> None:
    """Put the policy of FILE in the place of the one in force. Its version must be higher, and --as an administrator.

    What each rule and clause means: docs/device-policy.md.

    \b
    Example:  hallmark vault policy set policy.json
    """
    from hallmark_client.device.commands.policy_file import read_policy
    from hallmark_client.device.model import Caller

    new = read_policy(file)
    with place.open() as vault:
        vault.set_policy(new, Caller(application=application))
    if as_json:
        print_json({"version": new.version, "digest": new.digest})
    else:
        click.echo(f"Policy version {new.version} is in force.")
