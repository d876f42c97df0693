"""`hallmark bench soak`: a long time at a steady load; do memory and open files stay flat?"""

from typing import Any

import click

from kms.cli.failure import ExitCode
from kms.cli.invocation import json_option
from kms.cli.output import print_json, print_table


@click.command()
@click.option("--minutes", type=click.FloatRange(0.05, 7 * 24 * 60), default=60, show_default=True)
@click.option("--load", type=click.FloatRange(0.05, 0.95), default=0.5, show_default=True, help="Share of capacity.")
@click.option("--streams", type=click.IntRange(1, 900), default=32, show_default=True, help="Back offices that watch.")
@click.option(
    "--probe-seconds", type=click.FloatRange(1, 120), default=15, show_default=True, help="To measure the capacity."
)
@click.option("--sample-seconds", type=click.FloatRange(0.1, 60), default=5, show_default=True, help="Between samples.")
@json_option
@click.pass_context
def soak(context: click.Context, /, *, as_json: bool, **plan: Any) -> None:
    """A long time at a steady load, and whether memory and open files stay flat.

    A throw-away server with its default settings, but for the limits of one caller. First its capacity for the mix is
    measured: of ten calls six sign, three verify, one attests a device (a challenge and the evidence). Then calls
    begin at a share of that, evenly, whether or not earlier ones were answered; meanwhile back offices watch
    revocations, of which there are twelve a minute, and open their streams again every minute.

    \b
    flat     a line through the samples after the first fifth rises, over that time, by at most 5 % or 16 MiB
             (memory of server and signer processes together) and by at most 8 (open file descriptors)
    exit 1   it is not flat, a call failed, or a stream missed a revocation

    \b
    Example:  hallmark bench soak --minutes 2
              hallmark bench soak --minutes 60 --json
    """
    from kms.cli.bench.soak_report import HEADER
    from kms.cli.bench.soak_run import SoakPlan, run_soak

    report = run_soak(SoakPlan(**plan), say=lambda text: click.echo(text, err=True))
    if as_json:
        print_json(report.to_dict())
    else:
        print_table(HEADER, report.rows())
        click.echo(report.in_words())
    for problem in report.problems():
        click.echo(f"hallmark: {problem}", err=True)
    if report.problems():
        context.exit(ExitCode.NOT_SO)
