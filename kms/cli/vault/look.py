"""`hallmark vault list` and `show`: what is there, and who may have it."""

import click

from kms.cli.invocation import json_option
from kms.cli.output import moment, print_facts, print_json, print_table
from kms.cli.vault.opening import Place, as_option, vault_options


@click.command("list")
@vault_options
@click.option("--as", "application", metavar="APPLICATION", help="Only what the policy lets this application list.")
@json_option
def list_artifacts(place: Place, application: str | None, as_json: bool) -> None:
    """List what the vault holds.

    \b
    Example:  hallmark vault list
              hallmark vault list --as assistant --json
    """
    from hallmark_client.device.model import Caller
    from hallmark_client.device.vault import OWNER

    with place.open() as vault:
        caller = OWNER if application is None else Caller(application=application)
        artifacts = vault.artifacts(caller=caller)
    if as_json:
        print_json([artifact.to_dict() for artifact in artifacts])
        return
    if not artifacts:
        click.echo("There is nothing in it. Next: hallmark vault put FILE --name NAME")
        return
    rows = [
        (each.name, str(each.version), each.kind.lower().replace("_", "-"), f"{each.size:,}", each.state.value,
         moment(each.created_at))
        for each in artifacts
    ]  # fmt: skip
    print_table(("NAME", "VERSION", "KIND", "BYTES", "STATE", "STORED"), rows)


@click.command()
@click.argument("name")
@vault_options
@as_option
@click.option("--version", type=click.IntRange(min=0), help="Default: the highest.")
@json_option
def show(name: str, place: Place, application: str, version: int | None, as_json: bool) -> None:
    """Show an artifact, its files, and every clause that an application's reads are under, with who enforces it.

    \b
    Example:  hallmark vault show models/chat
              hallmark vault show models/chat --as assistant
    """
    from hallmark_client.device.model import Caller

    with place.open() as vault:
        artifact = vault.find(name, version)
        clauses = vault.effective_policy(name, Caller(application=application), artifact.version)
    if as_json:
        print_json({"artifact": artifact.to_dict(), "as": application, "clauses": [each.to_dict() for each in clauses]})
        return
    print_facts(
        {
            "name": artifact.name,
            "version": str(artifact.version),
            "kind": artifact.kind.lower().replace("_", "-"),
            "bytes": f"{artifact.size:,}",
            "digest": artifact.digest,
            "state": artifact.state.value,
            "needs permission": artifact.needs_permission,
            "epoch": artifact.epoch,
            "stored": artifact.created_at,
            "labels": [f"{key}={value}" for key, value in artifact.labels.items()],
            "files": [part.path for part in artifact.parts if part.path],
        }
    )
    click.echo(f"Read by {application}:")
    rows = [("yes" if each.allows else "NO", each.name, each.enforcement.value, each.text) for each in clauses]
    print_table(("HOLDS", "CLAUSE", "ENFORCED BY", "WHAT"), rows)
