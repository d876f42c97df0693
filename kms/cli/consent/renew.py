"""`hallmark consent renew`: let a consent hold for longer."""

from datetime import timedelta

import click

from kms.cli.connection import Server, server_options
from kms.cli.consent.choices import CONSENT
from kms.cli.invocation import json_option
from kms.cli.output import moment, print_json, short
from kms.cli.times import SPAN


@click.command()
@click.argument("consent", type=CONSENT)
@click.option("--validity", type=SPAN, help="For how long from now: default one year.")
@server_options("backend")
@json_option
def renew(consent: str, validity: timedelta | None, server: Server, as_json: bool) -> None:
    """Let a consent hold for longer, because the person said so. There is a new receipt afterwards.

    Once it has ended it can not be renewed: that takes a new consent.

    \b
    Example:  hallmark consent renew 01933b5e-7c2f-7e0e-b0a5-0d4f1a6f0f8e --validity 365d
    Then:     hallmark consent receipt ID --output receipt.html
    """
    with server.connect() as client:
        change = client.consents.renew(consent, validity=validity)
    if as_json:
        print_json(change.to_dict())
        return
    click.echo(f"{short(change.consent.name)} holds until {moment(change.consent.expire_time)}.")
