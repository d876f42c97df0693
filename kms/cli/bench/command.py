"""`hallmark bench`: what this machine does, against what its engine could do."""

from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from kms.cli.connection import Server, server_options
from kms.cli.invocation import json_option
from kms.cli.output import print_json, print_table

if TYPE_CHECKING:
    from kms.cli.bench.measure import Report


@click.group()
def bench() -> None:
    """Measure this machine.

    \b
    Example:  hallmark bench sign
    """


@bench.command()
@click.option("--seconds", type=click.FloatRange(0.2, 600), default=5, show_default=True, help="Of each measurement.")
@click.option("--concurrency", type=click.IntRange(1, 1024), default=64, show_default=True, help="Unary callers.")
@click.option("--batch", type=click.IntRange(1, 512), default=32, show_default=True, help="Signatures in a batch.")
@click.option("--key", "key_name", metavar="NAME", help="Of the server at --home or --profile. Default: a new key.")
@server_options("backend")
@json_option
def sign(seconds: float, concurrency: int, batch: int, key_name: str | None, server: Server, as_json: bool) -> None:
    """Hybrid signatures a second: unary over the wire, batched through the HSM pool, and the bare engine.

    \b
    raw engine  one ML-DSA and one ECDSA signature (in the token) after the other, in as many processes as there are
                signers: no check before release, no pipe, no wire, no log
    checked     the same plus what every signature needs: opening the sealed seed, verifying before release
    batched     the service's signer pool, in process (sign_many). There is no batch call on the wire yet.
    unary       Sign over mutual-TLS gRPC, as callers see it: policy, idempotency, database and log included. The
                callers run in a process of their own and take CPU from the server on the same machine.

    A throw-away server is started for it; with --home or --profile the one there is used.

    \b
    Example:  hallmark bench sign --seconds 10 --json
    Then:     compare the ratios, not the rates: they hold across machines
    """
    from kms.cli.bench.measure import Plan, measure

    plan = Plan(seconds=seconds, concurrency=concurrency, batch=batch, server=_chosen(server), key_name=key_name)
    report = measure(plan, say=lambda text: click.echo(text, err=True))
    if as_json:
        print_json(report.to_dict())
    else:
        _tell(report)


def _chosen(server: Server) -> Server | None:
    """The server that the user pointed at; None: nobody pointed at one."""
    source = click.get_current_context().get_parameter_source("home")
    home_given = source not in {ParameterSource.DEFAULT, None}
    return server if home_given or server.profile_folder is not None else None


def _tell(report: "Report") -> None:
    rows = [
        ("raw engine", f"{report.raw_engine_per_second:.0f}", "", "", "100 %"),
        ("checked", f"{report.checked_engine_per_second:.0f}", "", "", f"{report.checked_ratio:.0%}"),
        (
            f"batched ({report.batch})",
            f"{report.batched_per_second:.0f}",
            f"{report.batched_p50_ms:.1f}",
            f"{report.batched_p99_ms:.1f}",
            f"{report.batched_ratio:.0%}",
        ),
        (
            f"unary ({report.concurrency} callers)",
            f"{report.unary_per_second:.0f}",
            f"{report.unary_p50_ms:.1f}",
            f"{report.unary_p99_ms:.1f}",
            f"{report.unary_ratio:.0%}",
        ),
    ]
    click.echo(f"{report.algorithm}, {report.engine}, {report.signers} signers, {report.cores} cores")
    print_table(("", "PER SECOND", "P50 MS", "P99 MS", "OF RAW"), rows)
    click.echo(f"The callers of the unary measurement used {report.caller_cores:.2f} cores themselves.")
