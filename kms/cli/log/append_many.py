"""`hallmark log append-many`: events from a file or a pipe, each into the log once, however often it is interrupted."""

import contextlib
import itertools
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import click

from kms.cli.connection import Server, server_options
from kms.cli.failure import not_so
from kms.cli.invocation import json_option
from kms.cli.log.append import WAIT_HELP, WAITS
from kms.cli.log.append_results import ResultsFile, result_of
from kms.cli.log.progress import progress
from kms.cli.output import print_facts, print_json_line

if TYPE_CHECKING:
    from hallmark_client.errors import HallmarkError
    from hallmark_client.model.appending import Appended, AppendWait
    from kms.cli.log.event_lines import Line


@click.command("append-many")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option("--results", type=click.Path(path_type=Path, dir_okay=False), help="A line for each; also to go on from.")
@click.option("--wait", type=WAITS, default="published", show_default=True, help=WAIT_HELP)
@server_options("backend")
@json_option
def append_many(file: Path, results: Path | None, wait: "AppendWait", server: Server, as_json: bool) -> None:
    """Put many events into the log, over one connection. FILE has a JSON object in each line; - is standard input.

    {"type": "com.example.model.released", "subject": "models/x", "details": {"digest": "..."}, "personal": {...},
    "person": "...", "request_id": "..."}: all but type and subject may be left out.

    With --results the same command goes on after whatever stopped it, and every event is in the log once: lines that
    are done are left out, the others go under the request ids they had. Without, only lines with a request_id of their
    own can be sent twice. Ends 1 when events were refused.

    \b
    Example:  hallmark log append-many events.jsonl --results results.jsonl
    Then:     hallmark log prove --public URL --vkey log.vkey --entry KEY
    """
    from hallmark_client.system import System
    from kms.cli.log.event_lines import read_lines

    run = System().request_id()
    with contextlib.ExitStack() as open_files:
        kept = None if results is None else open_files.enter_context(ResultsFile(results, run))
        teller = _Teller(kept, as_json=as_json)
        source, size = _source(file, open_files)
        show = progress("appended") if size is not None else None
        lines = read_lines(_lines(source), uuid.UUID(run) if kept is None else kept.run, teller.done, str(file))
        with server.connect() as client:
            for item, outcome in client.log.append_stream(lines, wait=wait):
                teller.tell(cast("Line", item), outcome)
                if show is not None and size is not None:
                    show(teller.count, size)
    teller.end(results)


class _Teller:
    """Of each outcome, and of all in the end. `done`: lines that a run before this one is done with."""

    def __init__(self, kept: ResultsFile | None, *, as_json: bool) -> None:
        self._kept = kept
        self._as_json = as_json
        self.done = frozenset(kept.done if kept is not None else ())
        self._appended = self._replayed = self._refused = 0

    @property
    def count(self) -> int:
        return len(self.done) + self._appended + self._replayed + self._refused

    def tell(self, line: "Line", outcome: "Appended | HallmarkError") -> None:
        from hallmark_client.errors import HallmarkError

        result = result_of(line, outcome)
        if self._kept is not None:
            self._kept.add(result)
        if self._as_json:
            print_json_line(result)
        if isinstance(outcome, HallmarkError):
            self._refused += 1
            if not self._as_json:
                click.echo(f"line {line.number} was refused: {outcome}", err=True)
        elif outcome.replayed:
            self._replayed += 1
        else:
            self._appended += 1

    def end(self, results: Path | None) -> None:
        """Raises CommandError when events were refused."""
        if self._as_json:
            facts = {"appended": self._appended, "replayed": self._replayed, "refused": self._refused}
            print_json_line({**facts, "earlier": len(self.done)})
        else:
            click.echo(f"Appended {self._appended} events.")
            earlier = len(self.done) or None
            print_facts(
                {"there already": self._replayed or None, "done by an earlier run": earlier, "results": results}
            )
        if self._refused:
            advice = "Correct those lines and run it again"
            raise not_so("EVENTS_REFUSED", f"{self._refused} events were refused", advice)


def _source(file: Path, open_files: contextlib.ExitStack) -> tuple[BinaryIO, int | None]:
    """The events, and how many there are, where that can be told beforehand. Raises OSError."""
    if str(file) == "-":
        # Not sys.stdin: another thread may wait for it when the program ends, and Python wants to close it then.
        return open(sys.stdin.fileno(), "rb", closefd=False), None
    source = open_files.enter_context(file.open("rb"))
    size = sum(1 for line in _lines(source) if line.strip())
    source.seek(0)
    return source, size


def _lines(source: BinaryIO) -> Iterator[bytes]:
    """Bounded; what is longer comes as it is cut, and is no JSON then."""
    from kms.cli.log.event_lines import LINE_BYTES_MAX

    return itertools.takewhile(bool, (source.readline(LINE_BYTES_MAX + 2) for _ in itertools.repeat(None)))
