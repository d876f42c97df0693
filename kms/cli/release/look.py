"""`hallmark release list` and `show`: what the service knows of releases."""

import click

from kms.cli.connection import Server, server_options
from kms.cli.invocation import json_option
from kms.cli.output import moment, print_facts, print_json, print_table, short


@click.command("list")
@click.option("--model", help="Only of this model.")
@server_options("backend")
@json_option
def list_releases(model: str | None, server: Server, as_json: bool) -> None:
    """List releases as the service knows them, newest epoch first.

    \b
    Example:  hallmark release list --model example-7b
    """
    with server.connect() as client:
        found = list(client.releases.list(model))
    if as_json:
        print_json([release.to_dict() for release in found])
        return
    if not found:
        click.echo("There are no releases.")
        return
    print_table(
        ("MODEL", "VERSION", "EPOCH", "STATE", "CREATED", "RELEASE"),
        [
            (
                short(release.model),
                release.version,
                str(release.epoch),
                release.state,
                moment(release.create_time),
                short(release.name),
            )
            for release in found
        ],
    )


@click.command()
@click.argument("name")
@server_options("backend")
@json_option
def show(name: str, server: Server, as_json: bool) -> None:
    """Show a release: NAME is the SHA-256 of its statement, or releases/SHA-256.

    \b
    Example:  hallmark release show releases/1f0c...
    """
    with server.connect() as client:
        release = client.releases.get(name)
    if as_json:
        print_json(release.to_dict())
        return
    click.echo(short(release.name))
    print_facts(release.to_dict())
