"""`hallmark log open`: what opens an entry's commitments, and whether a value does."""

from typing import TYPE_CHECKING

import click

from kms.cli.connection import Server, server_options
from kms.cli.failure import not_usable
from kms.cli.invocation import json_option
from kms.cli.output import print_json

if TYPE_CHECKING:
    from hallmark_client.model.log_entries import Openings


@click.command("open")
@click.argument("event_key")
@click.option("--fact", "facts", multiple=True, metavar="NAME=VALUE", help="Check that the entry commits to this.")
@server_options("auditor")
@json_option
def open_entry(event_key: str, facts: tuple[str, ...], server: Server, as_json: bool) -> None:
    """Print the salts that open an entry's commitments, and check facts against them. Ends 1 when a fact is not so.

    A commitment is HMAC-SHA256(salt, name || 0x00 || value). The values are not in the log and not in the service: who
    appended them has them.

    \b
    Example:  hallmark log open 01994f2e-7f3a-7c1e-9a60-3d8f0c6b2a11 --fact proposer=spiffe://hallmark/tenants/...
    """
    pairs = [_pair(fact) for fact in facts]
    with server.connect() as client:
        found = client.log.open(event_key)
    for name, value in pairs:
        found.verify(name, value)
    if as_json:
        print_json(
            {
                "event_key": event_key,
                "openings": [
                    {"name": one.name, "salt": one.salt.hex(), "commitment": one.commitment.hex()}
                    for one in found.openings
                ],
                "verified": [name for name, _ in pairs],
            }
        )
    else:
        _tell(found, [name for name, _ in pairs])


def _pair(fact: str) -> tuple[str, str]:
    name, equals, value = fact.partition("=")
    if not name or not equals:
        raise not_usable("OPTIONS", f"{fact[:80]} is no fact", "Write --fact NAME=VALUE")
    return name, value


def _tell(found: "Openings", verified: list[str]) -> None:
    if not found.openings:
        click.echo("The entry has no commitments.")
    for one in found.openings:
        says = "  (commits to the value given)" if one.name in verified else ""
        click.echo(f"{one.name}{says}\n  salt        {one.salt.hex()}\n  commitment  {one.commitment.hex()}")
