"""`hallmark status sizes`: what status files weigh for so many devices."""

from dataclasses import asdict

import click

from kms.cli.invocation import json_option
from kms.cli.output import print_facts, print_json

_DEVICES_MAX = 100_000_000


@click.command()
@click.option("--devices", type=click.IntRange(1, _DEVICES_MAX), required=True, help="How many have an index.")
@click.option(
    "--revoked", type=click.FloatRange(0, 0.5), default=0.001, show_default=True, help="Share of them that is revoked."
)
@click.option(
    "--changed", type=click.FloatRange(0, 0.1), default=0.0001, show_default=True, help="Share that a delta changes."
)
@json_option
def sizes(devices: int, revoked: float, changed: float, as_json: bool) -> None:
    """Build real lists for so many devices, and tell how large the files are. Nothing is asked of a server.

    Lists are filled as the service fills them: three quarters of 2^20 entries, at random places.

    \b
    Example:  hallmark status sizes --devices 1000000 --revoked 0.001 --json
    """
    from kms.core.clock import SystemClock
    from kms.status.sizes import measure

    found = asdict(measure(devices, revoked, changed_share=changed, clock=SystemClock()))
    if as_json:
        print_json(found)
    else:
        print_facts(found)
