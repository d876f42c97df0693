"""`hallmark access grant`: permissions that expire."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from kms.cli.access.naming import GRANT, last_part
from kms.cli.connection import Server, server_options
from kms.cli.failure import not_usable
from kms.cli.invocation import json_option
from kms.cli.output import moment, print_json, print_table, short
from kms.cli.times import SPAN

if TYPE_CHECKING:
    from hallmark_client.model.access import AccessGrant


@click.group()
def grant() -> None:
    """Permit one principal something for a while, within the calls that its role is for.

    Grants count while a policy is active: then what nobody permits is denied. What the policy forbids stays forbidden.

    \b
    Example:  hallmark access grant create spiffe://hallmark.local/tenants/default/backend/night \\
                SigningService.Sign --resource tenants/default/keys/pay --for 8h --reason "release"
    """


@grant.command()
@click.argument("principal")
@click.argument("actions", nargs=-1, required=True)
@click.option("--resource", "resources", multiple=True, help="Name, or * at its end. Default: the whole tenant.")
@click.option("--when", "condition", default="", help="A Cedar condition, such as context.post_quantum.")
@click.option("--for", "span", type=SPAN, required=True, help="How long, such as 8h; at most 90d.")
@click.option("--reason", default="", help="Why.")
@server_options("admin")
@json_option
def create(
    principal: str,
    actions: tuple[str, ...],
    resources: tuple[str, ...],
    condition: str,
    span: timedelta,
    reason: str,
    server: Server,
    as_json: bool,
) -> None:
    """Permit PRINCIPAL the ACTIONS (SigningService.Sign, or SigningService.* for all of a service).

    PRINCIPAL is spiffe://..., with * as the last character for many. Nobody grants themselves anything.

    \b
    Example:  hallmark access grant create spiffe://hallmark.local/tenants/default/backend/night \\
                SigningService.Sign --resource tenants/default/keys/pay --for 8h --when context.post_quantum
    """
    with server.connect() as client:
        change = client.access.grant(
            principal,
            actions,
            resources=resources,
            condition=condition,
            reason=reason,
            expire_time=datetime.now(UTC) + span,
        )
    if as_json:
        print_json(change.to_dict())
    else:
        until = moment(change.grant.expire_time)
        click.echo(f"Granted until {until}. Take it back: hallmark access grant revoke {last_part(change.grant.name)}")


@grant.command("list")
@click.option("--principal", default="", help="Of this one only: spiffe://...")
@click.option("--all", "show_ended", is_flag=True, help="Also those that are over.")
@server_options("auditor")
@json_option
def list_grants(principal: str, show_ended: bool, server: Server, as_json: bool) -> None:
    """List grants, newest first.

    \b
    Example:  hallmark access grant list --all
    """
    if principal and not principal.startswith("spiffe://"):
        raise not_usable("PRINCIPAL", "--principal takes a whole SPIFFE ID, spiffe://...", "--json prints whole ones")
    with server.connect() as client:
        found = list(client.access.grants(principal=principal, show_ended=show_ended))
    if as_json:
        print_json({"grants": [each.to_dict() for each in found]})
    elif found:
        print_table(("GRANT", "PRINCIPAL", "ACTIONS", "RESOURCES", "WHEN", "UNTIL", "REVOKED"), list(map(_row, found)))
    else:
        click.echo("No grants. Next: hallmark access grant create --help")


@grant.command()
@click.argument("grant_id", metavar="GRANT", type=GRANT)
@click.option("--reason", default="", help="Why.")
@server_options("admin")
@json_option
def revoke(grant_id: str, reason: str, server: Server, as_json: bool) -> None:
    """Take GRANT back at once.

    \b
    Example:  hallmark access grant revoke ID --reason "release is out"
    """
    with server.connect() as client:
        change = client.access.revoke_grant(grant_id, reason=reason)
    if as_json:
        print_json(change.to_dict())
    else:
        click.echo(f"{last_part(change.grant.name)} is taken back.")


def _row(found: "AccessGrant") -> tuple[str, ...]:
    return (
        last_part(found.name),
        "/".join(found.principal.split("/")[-2:]),
        ", ".join(found.actions),
        ", ".join(map(short, found.resources)) or "all",
        " ".join(found.condition.split()),
        moment(found.expire_time),
        moment(found.revoke_time),
    )
