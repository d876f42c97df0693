"""`hallmark audit sessions`."""

from itertools import islice
from typing import TYPE_CHECKING

import click

from kms.cli.audit.all_tenants import all_tenants_option, asked_for
from kms.cli.connection import Server, server_options
from kms.cli.invocation import json_option
from kms.cli.output import moment, print_json, print_table

if TYPE_CHECKING:
    from hallmark_client.model.audit import Session


@click.command()
@click.option("--classical-only", is_flag=True, help="Only sessions without a post-quantum key exchange.")
@all_tenants_option
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="At most so many.")
@server_options("auditor")
@json_option
def sessions(*, classical_only: bool, all_tenants: bool, limit: int, server: Server, as_json: bool) -> None:
    """List TLS sessions, newest first: who, over which group, with which certificate, how many calls.

    \b
    Example:  hallmark audit sessions --classical-only
    """
    with server.connect() as client, asked_for(all_tenants):
        page = min(limit, 1000)
        listed = client.audit.sessions(classical_only=classical_only, all_tenants=all_tenants, page_size=page)
        found = list(islice(listed, limit))
    if as_json:
        print_json({"sessions": [each.to_dict() for each in found]})
        return
    if not found:
        click.echo("There are no such sessions.")
        return
    header = ("START", "LAST", "CALLER", "AUTH", "TLS", "GROUP", "CERTIFICATE", "CALLS", "REFUSED")
    print_table(header, [_row(each) for each in found])
    if len(found) == limit:
        click.echo(f"These are the newest {limit}; --limit shows more.", err=True)


def _row(session: "Session") -> tuple[str, ...]:
    return (
        moment(session.start_time),
        moment(session.last_time),
        session.caller.partition("/tenants/")[2] or session.caller,
        session.authentication,
        session.tls_version.removeprefix("TLSv"),
        session.tls_group,
        session.certificate_key,
        str(session.calls),
        str(session.refused),
    )
