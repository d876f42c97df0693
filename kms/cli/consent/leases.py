"""`hallmark consent leases`: what devices may hold, and until when."""

import click

from kms.cli.connection import Server, server_options
from kms.cli.consent.choices import CONSENT, show_leases
from kms.cli.identifiers import DEVICE
from kms.cli.invocation import json_option
from kms.cli.output import print_json


@click.command()
@click.option("--consent", type=CONSENT, default=None, help="Only those of this consent.")
@click.option("--device", type=DEVICE, default=None, help="Only those of this device.")
@server_options("auditor")
@json_option
def leases(consent: str | None, device: str | None, server: Server, as_json: bool) -> None:
    """List leases, oldest first. The server prolongs those that live, as long as consent and device are good.

    \b
    Example:  hallmark consent leases --consent 01933b5e-7c2f-7e0e-b0a5-0d4f1a6f0f8e
    """
    with server.connect() as client:
        found = list(client.consents.leases(consent=consent or "", device=device or ""))
    if as_json:
        print_json({"leases": [each.to_dict() for each in found]})
    else:
        show_leases(found)
