"""`hallmark bench streams`: one server process, thousands of devices that watch."""

from typing import TYPE_CHECKING, Any

import click

from kms.cli.invocation import json_option
from kms.cli.output import print_json, print_table

if TYPE_CHECKING:
    from kms.cli.bench.streams_report import StreamsReport


@click.command()
@click.option("--subscribers", type=click.IntRange(1, 100_000), default=10_000, show_default=True, help="Devices.")
@click.option("--events", type=click.IntRange(1, 1000), default=10, show_default=True, help="For everybody.")
@click.option("--reconnect/--no-reconnect", default=True, show_default=True, help="Everybody at once, at the end.")
@click.option("--idle-seconds", type=click.FloatRange(1, 600), default=10, show_default=True, help="Quiet time.")
@click.option("--clients", type=click.IntRange(1, 64), default=2, show_default=True, help="Processes of subscribers.")
@click.option("--floor", is_flag=True, help="Measure a bare grpc.aio server first, for ratios.")
@click.option("--plaintext", is_flag=True, help="And bare servers without TLS: the service itself has no such port.")
@click.option("--replicas", type=click.IntRange(1, 8), default=1, show_default=True, help="Over one --database.")
@click.option("--database", metavar="URL", help="An empty PostgreSQL database instead of SQLite in a scratch folder.")
@json_option
def streams(*, floor: bool, plaintext: bool, replicas: int, database: str | None, as_json: bool, **plan: Any) -> None:
    """Streams of WatchEvents: what one costs, how fast an event reaches all, what an outage does.

    \b
    KIB A STREAM   the server's memory for a device that watches both feeds over a connection of its own
    CONNECTS/S     with mutual TLS and a certificate of its own for each, until it has caught up
    P50, P99 MS    from before an artifact is suspended until a device knows: signature, log and commit included
    CPU US/EVENT   of the server, for one event to one device
    IDLE CPU %     of one core, with heartbeats every 30 s
    RECONNECT S    everybody loses the connection at the same moment; an event happens while they come back
    cancelled      streams that the server ended, or that never came to be
    lost           events that a device did not get within 30 s

    Throw-away server; subscribers in processes of their own on the same machine, which take about as much CPU as the
    server does. With --floor, ratios say what is the service's and what is grpc's. With --replicas, subscribers are
    split over them, and every event is made at the first.

    \b
    Example:  hallmark bench streams --subscribers 2000 --floor --plaintext
    """
    from kms.cli.bench.streams_descriptors import SPARE_DESCRIPTORS, take_descriptors
    from kms.cli.bench.streams_measure import StreamsPlan
    from kms.cli.bench.streams_runs import Servers, run_streams

    if replicas > 1 and database is None:
        raise click.UsageError("--replicas needs --database: an empty PostgreSQL database that they share")
    take_descriptors(plan["subscribers"] + SPARE_DESCRIPTORS)  # the server inherits what there is
    plan["clients"] = max(plan["clients"], replicas)
    servers = Servers(floor=floor, plaintext=plaintext, replicas=replicas, database=database)
    _tell(run_streams(StreamsPlan(**plan), servers, say=_say), as_json=as_json)


def _say(text: str) -> None:
    click.echo(text, err=True)


def _tell(report: "StreamsReport", *, as_json: bool) -> None:
    from kms.cli.bench.streams_report import HEADER

    if as_json:
        print_json(report.to_dict())
        return
    click.echo(f"{report.found.subscribers:,} subscribers, {report.found.events} events, {report.cores} cores")
    print_table(HEADER, report.rows())
    for each in (*report.compared, report.found):
        delivered = " + ".join(f"{count:,}" for count in each.delivered)
        click.echo(
            f"{each.server}: {delivered} delivered, {each.cancelled} cancelled, {each.lost} lost, "
            f"{each.duplicated} duplicated"
        )
