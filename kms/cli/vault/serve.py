"""`hallmark vault serve`: the agent, in this terminal."""

from pathlib import Path

import click

from kms.cli.invocation import debug_option
from kms.cli.vault.opening import Place, vault_options


@click.command()
@vault_options
@click.option(
    "--socket", "path", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Where apps connect."
)
@click.option("--app", "apps", multiple=True, required=True, metavar="NAME=RULE",
              help="RULE: uid=NUMBER, unit=NAME of systemd, exe=PATH, joined by commas; all must fit.")  # fmt: skip
@debug_option
def serve(place: Place, path: Path, apps: tuple[str, ...]) -> None:
    """Serve the vault to apps of this machine, until Ctrl-C or SIGTERM. Apps use AgentClient of the SDK.

    NAME is what the vault's policy calls the application; RULE says which processes it is. All others are turned
    away. As a service of systemd, with other users' apps: docs/device-agent.md.

    \b
    Example:  hallmark vault serve --socket ./run/agent.sock --app hallmark-vault=uid=$(id -u)
    """
    from hallmark_client.device.agent import Agent, PeerRule
    from hallmark_client.device.agent.__main__ import serve as serve_until_stopped
    from hallmark_client.device.agent.opening import opened_vault

    place.check_exists()
    applications = {}
    for text in apps:
        name, _, rule = text.partition("=")
        try:
            applications[PeerRule.parse(rule)] = name
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--app") from None
    with place.open_root() as root, opened_vault(place.folder, root, tenant=place.tenant) as vault:
        serve_until_stopped(Agent(vault, path, applications))
