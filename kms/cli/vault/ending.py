"""`hallmark vault delete`, `rotate` and `check`."""

import click

from kms.cli.failure import ExitCode
from kms.cli.invocation import json_option
from kms.cli.output import print_facts, print_json, print_table
from kms.cli.release.progress import byte_progress
from kms.cli.vault.opening import Place, vault_options


@click.command()
@click.argument("names", nargs=-1, required=True)
@vault_options
@click.option("--version", type=click.IntRange(min=0), help="Only this one. Default: all versions.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def delete(names: tuple[str, ...], place: Place, version: int | None, yes: bool, as_json: bool) -> None:
    """Delete artifacts for good. Several at once are one step of the root of trust.

    The key above them is replaced and dies: copies of the vault's folder do not give them back, as far as the root of
    trust says so (its power "shred").

    \b
    Example:  hallmark vault delete models/chat
              hallmark vault delete voice --version 2 --yes
    """
    with place.open() as vault:
        wanted = names if version is None else tuple(vault.find(name, version) for name in names)
        if not yes:
            click.confirm(f"Delete {', '.join(names)} for good?", abort=True, err=True)
        deletion = vault.delete(*wanted)
    if as_json:
        print_json(deletion.to_dict())
        return
    for artifact in deletion.artifacts:
        click.echo(f"Deleted {artifact.name} version {artifact.version}")
    print_facts(
        {
            "method": deletion.method,
            "epoch": f"{deletion.epoch_before} > {deletion.epoch_after}",
            "audit head": deletion.audit_head.head.hex(),
        }
    )


@click.command()
@vault_options
@json_option
def rotate(place: Place, as_json: bool) -> None:
    """Begin a new epoch without a deletion: copies of the folder made until now do not open any more.

    \b
    Example:  hallmark vault rotate
    """
    with place.open() as vault:
        epoch = vault.rotate()
    if as_json:
        print_json({"epoch": epoch})
    else:
        click.echo(f"Epoch {epoch} has begun.")


@click.command()
@vault_options
@json_option
@click.pass_context
def check(context: click.Context, place: Place, as_json: bool) -> None:
    """Read everything, compare it with what was stored, and follow the audit chain. Exit code 1 if anything is damaged.

    \b
    Example:  hallmark vault check
    """
    with place.open() as vault:
        size = sum(artifact.size for artifact in vault.artifacts())
        with byte_progress("checking", size) as advance:
            done = 0

            def told(read: int) -> None:
                nonlocal done
                advance(read - done)
                done = read

            report = vault.check(told)
    if as_json:
        print_json(report.to_dict())
    elif report.damages:
        rows = [(each.name or "(audit)", str(each.version), each.part, each.why) for each in report.damages]
        print_table(("NAME", "VERSION", "FILE", "WHAT IS WRONG"), rows)
    else:
        click.echo(
            f"Everything is as it was stored: {report.artifacts} artifacts, {report.size:,} bytes, the audit chain."
        )
    context.exit(ExitCode.NOT_SO if report.damages else ExitCode.OK)
