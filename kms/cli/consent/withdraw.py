"""`hallmark consent withdraw`: take a consent back."""

import click

from kms.cli.connection import Server, server_options
from kms.cli.consent.choices import CONSENT
from kms.cli.invocation import json_option
from kms.cli.output import moment, print_json, short


@click.command()
@click.argument("consent", type=CONSENT)
@click.option("--reason", default="", help="In words, for the record; nothing personal.")
@server_options("backend")
@json_option
def withdraw(consent: str, reason: str, server: Server, as_json: bool) -> None:
    """Take a consent back for the person who gave it, for ever.

    Its leases end at once, and every device that ever had one is told to delete and to prove it. A device that can not
    be reached stops by itself before the promised time: its lease is not longer. Doing it again changes nothing.

    Somebody else than the person takes a consent back with `hallmark revoke consents/ID`.

    \b
    Example:  hallmark consent withdraw 01933b5e-7c2f-7e0e-b0a5-0d4f1a6f0f8e
    Then:     hallmark consent report
    """
    with server.connect() as client:
        found = client.consents.withdraw(consent, reason=reason)
    if as_json:
        print_json(found.to_dict())
        return
    what = "was withdrawn before" if found.replayed else "is withdrawn"
    click.echo(f"{short(found.consent.name)} {what}. Nothing is usable any more by {moment(found.deadline)}.")
    for removal in found.removals:
        click.echo(f"  asked for: {short(removal)}")
    if not found.removals:
        click.echo("No device ever had a lease for it, so there is nothing to delete.")
