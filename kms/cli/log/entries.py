"""`hallmark log entries`: the log's entries in order, and new ones as they are published."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from kms.cli.connection import Server, server_options
from kms.cli.invocation import json_option
from kms.cli.log.found import document_of, tell
from kms.cli.output import print_json_line

if TYPE_CHECKING:
    from hallmark_client.model.log_entries import LogBatch


@click.command()
@click.option("--from", "start", type=click.IntRange(min=0), default=0, show_default=True, help="The first index.")
@click.option("--follow", is_flag=True, help="Go on with what is published next. Ctrl-C ends it.")
@click.option("--limit", type=click.IntRange(min=1), help="End after so many.")
@server_options("auditor")
@json_option
def entries(start: int, follow: bool, limit: int | None, server: Server, as_json: bool) -> None:
    """Print the log's published entries in order. With --json one document a line.

    With --follow it goes on by itself when the server is lost. This tells what the server says; `log verify` proves it
    from the public files.

    \b
    Example:  hallmark log entries --from 4000 --follow --json
    Then:     hallmark log verify --public URL --vkey log.vkey
    """
    stop = threading.Event()
    with server.connect(patient=follow) as client, _ended_by_signals(stop):
        _show(client.log.stream(start, follow=follow, stop=stop), limit, as_json=as_json)


def _show(batches: "Iterator[LogBatch]", limit: int | None, *, as_json: bool) -> None:
    shown = 0
    for batch in batches:
        for record in batch.entries:
            if as_json:
                print_json_line(document_of(record))
            else:
                tell(record)
            shown += 1
            if shown == limit:
                return


@contextlib.contextmanager
def _ended_by_signals(stop: threading.Event) -> Iterator[None]:
    """SIGINT and SIGTERM end it in order, after the entry at hand."""
    previous: dict[signal.Signals, Any] = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        previous[number] = signal.signal(number, lambda *_: stop.set())
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
