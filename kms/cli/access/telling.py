"""`hallmark access` test and effective: who may do what, and why."""

from datetime import datetime
from typing import TYPE_CHECKING

import click

from kms.cli.access.naming import VERSION, last_part
from kms.cli.connection import Server, server_options
from kms.cli.failure import ExitCode
from kms.cli.invocation import json_option
from kms.cli.output import moment, print_facts, print_json, print_table
from kms.cli.times import MOMENT

if TYPE_CHECKING:
    from hallmark_client.model.access import EffectiveGrant


@click.command()
@click.argument("principal")
@click.argument("action")
@click.argument("resource", default="")
@click.option("--address", default="", help="IP address it would come from. Default: yours.")
@click.option("--group", "tls_group", default="", help="TLS group, such as X25519. Default: that of this connection.")
@click.option("--at", "time", type=MOMENT, help="When. Default: now.")
@click.option("--policy", type=VERSION, help="Decide by this version instead of the one in force.")
@server_options("auditor")
@json_option
@click.pass_context
def test(
    context: click.Context,
    principal: str,
    action: str,
    resource: str,
    address: str,
    tls_group: str,
    time: datetime | None,
    policy: str | None,
    server: Server,
    as_json: bool,
) -> None:
    """Whether PRINCIPAL might do ACTION to RESOURCE (default: the tenant), and why. Ends 1 when not.

    Decided as the server itself does, and nothing is done.

    \b
    Example:  hallmark access test spiffe://hallmark.local/tenants/default/backend/backend \\
                SigningService.Sign tenants/default/keys/pay --group X25519
    """
    with server.connect() as client:
        found = client.access.test(
            principal,
            action,
            resource=resource,
            address=address,
            tls_group=tls_group,
            time=time,
            policy=policy or "",
        )
    if as_json:
        print_json(found.to_dict())
    else:
        click.echo("allowed" if found.allowed else f"refused: {found.reason}")
        print_facts({"why": found.explanation, "by": found.statements, "policy": last_part(found.policy)})
    if not found.allowed:
        context.exit(ExitCode.NOT_SO)


@click.command()
@click.argument("principal")
@click.option("--resource", default="", help="Only what this resource allows. Default: every kind of resource.")
@server_options("auditor")
@json_option
def effective(principal: str, resource: str, server: Server, as_json: bool) -> None:
    """List all that PRINCIPAL may do: always, or depending on the statements that are named. Their text is in --json.

    \b
    Example:  hallmark access effective spiffe://hallmark.local/tenants/default/backend/backend
    Then:     hallmark access test PRINCIPAL ACTION RESOURCE
    """
    with server.connect() as client:
        found = client.access.effective(principal, resource=resource)
    if as_json:
        print_json(found.to_dict())
    elif found.grants:
        print_table(("CALL", "WHEN", "BY", "UNTIL"), list(map(_row, found.grants)))
    else:
        click.echo("Nothing at all.")


def _row(grant: "EffectiveGrant") -> tuple[str, str, str, str]:
    when = "always" if grant.unconditional else "it depends"
    return grant.action, when, ", ".join(map(last_part, grant.sources)), moment(grant.expire_time)
