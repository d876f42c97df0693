"""`hallmark bench`: what this machine does, against what its engine could do."""

from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from kms.cli.bench.capacity import capacity_command
from kms.cli.bench.soak import soak
from kms.cli.bench.streams import streams
from kms.cli.bench.vault import vault
from kms.cli.connection import Server, server_options
from kms.cli.invocation import json_option
from kms.cli.output import print_json, print_table

if TYPE_CHECKING:
    from kms.cli.bench.report import Report


@click.group()
def bench() -> None:
    """Measure this machine.

    \b
    Example:  hallmark bench sign
              hallmark bench log
              hallmark bench streams
              hallmark bench capacity --devices 1000000
              hallmark bench soak --minutes 60
              hallmark bench vault
    """


bench.add_command(streams)
bench.add_command(capacity_command)
bench.add_command(soak)
bench.add_command(vault)


@bench.command()
@click.option("--seconds", type=click.FloatRange(0.2, 600), default=5, show_default=True, help="Of each measurement.")
@click.option("--concurrency", type=click.IntRange(1, 1024), default=64, show_default=True, help="Unary callers.")
@click.option("--batch", type=click.IntRange(1, 512), default=32, show_default=True, help="Signatures in a batch.")
@click.option(
    "--signers", type=click.IntRange(1, 64), multiple=True, help="Signer processes; repeat. Default: 1 to all cores."
)
@click.option("--key", "key_name", metavar="NAME", help="Of the server at --home or --profile. Default: a new key.")
@server_options("backend")
@json_option
def sign(
    seconds: float,
    concurrency: int,
    batch: int,
    signers: tuple[int, ...],
    key_name: str | None,
    server: Server,
    as_json: bool,
) -> None:
    """Hybrid signatures a second: the engine alone, then BatchSign and Sign over the wire.

    \b
    engine alone  engine and token with self-verification, in a bare loop, in as many processes as there are signers
    BatchSign     over mutual-TLS gRPC with everything on: policy, idempotency, self-verification, log, database
    Sign          the same, one signature a call
    half load     p99 of single calls at half of what they reached
    probe         p99 of another call while batches keep every signer busy

    The fastest engine here and `cryptography` are measured, with one signer up to one for each core, each with a
    throw-away server; with --home or --profile the server there is used. Callers run in a process of their own and take
    CPU from the server on the same machine: OF ALONE has that given back, BY CPU compares CPU for each signature.

    \b
    Example:  hallmark bench sign --seconds 10 --json
    Then:     compare the ratios, not the rates: they hold across machines
    """
    from kms.cli.bench.measure import Plan, measure

    plan = Plan(
        seconds=seconds,
        concurrency=concurrency,
        batch=batch,
        server=_chosen(server),
        key_name=key_name,
        signers=tuple(sorted(set(signers))) or None,
    )
    _tell(measure(plan, say=lambda text: click.echo(text, err=True)), as_json=as_json)


@bench.command()
@click.option("--clients", type=click.IntRange(1, 1024), default=64, show_default=True, help="Of single appends.")
@click.option("--batch", type=click.IntRange(1, 512), default=100, show_default=True, help="Entries in a batch.")
@click.option("--seconds", type=click.FloatRange(0.2, 600), default=5, show_default=True, help="Of each measurement.")
@click.option(
    "--entries-from", type=click.IntRange(1), default=1_000, show_default=True, help="Cost at this size of the log ..."
)
@click.option(
    "--entries-to", type=click.IntRange(0), default=100_000, show_default=True, help="... up to this. 0: not at all."
)
@click.option("--full", is_flag=True, help="Up to 1,000,000 entries: takes minutes.")
@json_option
def log(
    clients: int, batch: int, seconds: float, entries_from: int, entries_to: int, full: bool, as_json: bool
) -> None:
    """Entries a second that the transparency log takes, each with its proof; and what an entry costs as it grows.

    \b
    single, stream   one event after the other on a stream (AppendStream), for each client one connection
    single, unary    the same with a call for each (AppendEntry)
    in batches       BatchAppendEntries, 8 clients
    FRONT, SIGNERS   the server's CPU for an entry, microseconds; CALLERS: that of the load, on the same cores

    Throw-away servers with the settings that `hallmark serve` has (fsync on), only without the limit for one caller.
    The next append of a client begins when it has the proof of the one before. Then, with another server, the log is
    filled to ten times the size again and again, and single appends are measured at each: the server's CPU for an
    entry and its memory should not grow. Goals are for 64 clients on 2 cores; where GOAL says none, nothing was
    promised.

    \b
    Example:  hallmark bench log --json
              hallmark bench log --full
    """
    from kms.cli.bench.log_measure import LogPlan, measure_log
    from kms.cli.bench.log_report import HEADER, SIZES_HEADER

    plan = LogPlan(
        clients=clients, batch=batch, seconds=seconds, sizes=_sizes(entries_from, max(entries_to, full * 1_000_000))
    )
    report = measure_log(plan, say=lambda text: click.echo(text, err=True))
    if as_json:
        print_json(report.to_dict())
        return
    click.echo(f"{report.cores} cores, {report.seconds:g} s each")
    print_table(HEADER, report.rows())
    if report.sizes:
        click.echo()
        print_table(SIZES_HEADER, report.size_rows())


def _sizes(first: int, last: int) -> tuple[int, ...]:
    """Each ten times the one before."""
    sizes = []
    while first <= last:
        sizes.append(first)
        first *= 10
    return tuple(sizes)


def _chosen(server: Server) -> Server | None:
    """The server that the user pointed at; None: nobody pointed at one."""
    source = click.get_current_context().get_parameter_source("home")
    home_given = source not in {ParameterSource.DEFAULT, None}
    return server if home_given or server.profile_folder is not None else None


def _tell(report: "Report", *, as_json: bool) -> None:
    if as_json:
        print_json(report.to_dict())
        return
    click.echo(f"{report.algorithm}, {report.cores} cores, TLS {report.tls_group}")
    speeds = ", ".join(f"{name} {speed:.1f}" for name, speed in report.ml_dsa_speed.items())
    click.echo(f"ML-DSA-65 signing, times as fast as cryptography: {speeds}")
    print_table(("", "PER SECOND", "P50 MS", "P99 MS", "OF ALONE", "BY CPU"), report.rows())
