"""`hallmark log rotate-key`: another ML-DSA-44 key for the log."""

from datetime import timedelta

import click

from kms.cli.connection import Server, server_options
from kms.cli.invocation import json_option
from kms.cli.output import print_facts, print_json
from kms.cli.times import Span


@click.command("rotate-key")
@click.option("--overlap", type=Span(), default="30d", show_default=True, help="How long the old key signs too.")
@server_options("admin")
@json_option
def rotate_key(overlap: timedelta, server: Server, as_json: bool) -> None:
    """Give the log a new ML-DSA-44 key; the old one signs beside it until it retires.

    The new verifier key is in an entry of the log, under checkpoints that the old key signs, and in the public files
    `verifier-keys` and `policy`. Who verifies with the old key has until its end to take the new one.

    \b
    Example:  hallmark log rotate-key --overlap 30d
    Then:     hallmark log keys --output log.vkey
    """
    with server.connect() as client:
        rotated = client.log.keys.rotate(overlap=overlap)
    if as_json:
        print_json(rotated.to_dict())
        return
    click.echo(f"Key {rotated.key.number} of the log {rotated.key.origin} signs from the next checkpoint on.")
    print_facts({"verifier key": rotated.key.vkey, "announced by": rotated.log.event_key})
    click.echo("Next: hallmark log keys --output log.vkey, for every auditor")
