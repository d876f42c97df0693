"""`hallmark revoke`: take trust back."""

from datetime import datetime

import click

from kms.cli.connection import Server, server_options
from kms.cli.invocation import json_option
from kms.cli.output import moment, print_json, short
from kms.cli.times import MOMENT

REASONS = (
    "key-compromise",
    "superseded",
    "cessation-of-operation",
    "device-lost",
    "device-compromised",
    "policy-violation",
    "withdrawn",
)


@click.command()
@click.argument("subject")
@click.option("--reason", type=click.Choice(REASONS), required=True, help="Why.")
@click.option("--effective", type=MOMENT, help="From when it is not to be trusted; default now, may be earlier.")
@server_options("admin")
@json_option
def revoke(subject: str, reason: str, effective: datetime | None, server: Server, as_json: bool) -> None:
    """Take trust back from a key, a device, a verdict, an artifact, a policy or a trust anchor. It can not be undone.

    SUBJECT is a name as other commands show it: manifest, manifest/versions/1, devices/ID, verdicts/ID,
    artifacts/SHA256, policies/NUMBER, anchors/SHA256. The event is signed, logged and sent to everyone who watches.

    \b
    Example:  hallmark revoke manifest/versions/1 --reason key-compromise
              hallmark revoke artifacts/SHA256 --reason policy-violation
    Then:     hallmark watch
    """
    with server.connect() as client:
        event = client.revocations.revoke(subject, reason.replace("-", "_").upper(), effective_time=effective)
    if as_json:
        print_json(event.to_dict())
        return
    click.echo(f"Revoked {short(event.subject)}: {event.reason}, effective {moment(event.effective_time)}.")
    click.echo("Everyone who watches has been told: hallmark watch")
