"""`hallmark release refresh`, `rotate` and `status`: the repository's metadata over time."""

from dataclasses import replace
from pathlib import Path

import click

from kms.cli.connection import Server, server_options
from kms.cli.invocation import json_option
from kms.cli.output import moment, print_json, print_table
from kms.cli.release.clock import system_now
from kms.cli.release.options import keys_option, repository_option, trust_option

_ROLES = click.Choice(["root", "targets", "snapshot", "timestamp"])


@click.command()
@repository_option
@trust_option
@click.option("--role", "roles", type=_ROLES, multiple=True, help="Sign this one in any case; may be repeated.")
@server_options("backend")
@json_option
def refresh(repository: Path, trust: Path, roles: tuple[str, ...], server: Server, as_json: bool) -> None:
    """Sign the timestamp again, and whatever has less than half of its life left. Changes no release.

    Devices refuse a repository whose timestamp has expired: let a timer run this every day.

    \b
    Example:  hallmark release refresh
    """
    from hallmark_release.roles import Role
    from kms.cli.release.opened import open_repository
    from kms.cli.release.service_keys import ServiceSigner

    with server.connect() as client:
        listed = open_repository(repository, trust, ServiceSigner(client))
        signed = listed.refresh(now=system_now(), also=[Role(role) for role in roles])
    if as_json:
        print_json({"signed": [role.value for role in signed]})
        return
    click.echo(f"Signed again: {', '.join(signed)}")


@click.command()
@click.argument("tuf_role", metavar="ROLE", type=_ROLES)
@repository_option
@trust_option
@click.option("--without-former", is_flag=True, help="The role's former keys are lost or revoked: do not ask them.")
@keys_option
@server_options("backend")
@json_option
def rotate(
    tuf_role: str, repository: Path, trust: Path, without_former: bool, prefix: str, server: Server, as_json: bool
) -> None:
    """Give ROLE (root, targets, snapshot, timestamp) new keys.

    A new root says so, signed by the root's keys before and after.

    Devices follow from the root they have. The role's former keys sign once more, so that no device ever meets a
    repository that it refuses; with --without-former they do not. They stay at the service; take their use away
    afterwards with `hallmark keys deactivate` or, where they were stolen, `hallmark revoke`.

    \b
    Example:  hallmark release rotate timestamp
    """
    from hallmark_release.roles import Role
    from kms.cli.release.opened import open_repository
    from kms.cli.release.service_keys import KeyNames, ServiceSigner, create_role

    changed = Role(tuf_role)
    with server.connect() as client:
        listed = open_repository(repository, trust, ServiceSigner(client))
        generation = 1 + next(each.version for each in listed.status() if each.role is Role.ROOT)
        with (replace(server, role="admin") if server.profile_folder is None else server).connect() as admin:
            keys = create_role(admin, KeyNames(prefix), changed, generation)
        listed.rotate(changed, keys, now=system_now(), former_sign=not without_former)
    if as_json:
        print_json({"role": changed.value, "root_version": generation, "keys": [key.uri for key in keys]})
        return
    click.echo(f"{changed} has new keys; they are in root {generation}: {', '.join(key.uri for key in keys)}")


@click.command()
@repository_option
@trust_option
@json_option
def status(repository: Path, trust: Path, as_json: bool) -> None:
    """Show the repository's roles: versions, when they expire, which keys sign them; and the models in it.

    \b
    Example:  hallmark release status
    """
    from kms.cli.release.no_keys import NoKeys
    from kms.cli.release.opened import open_repository

    listed = open_repository(repository, trust, NoKeys())
    roles, models = listed.status(), listed.models()
    if as_json:
        rows = [
            {
                "role": each.role.value,
                "version": each.version,
                "expires": each.expires.isoformat(),
                "keys": [key.uri for key in each.keys],
            }
            for each in roles
        ]
        print_json({"roles": rows, "models": list(models)})
        return
    print_table(
        ("ROLE", "VERSION", "EXPIRES", "KEYS"),
        [(each.role, str(each.version), moment(each.expires), ", ".join(k.uri for k in each.keys)) for each in roles],
    )
    click.echo(f"Models: {', '.join(models) or 'none yet'}")
