"""`hallmark consent report`: what was to be removed, by when, and what proves it."""

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from kms.cli.connection import Server, server_options
from kms.cli.consent.report_csv import removals_csv
from kms.cli.consent.report_html import report_page
from kms.cli.failure import not_usable
from kms.cli.invocation import json_option
from kms.cli.output import moment, print_facts, print_table, short, write_file
from kms.cli.times import MOMENT

if TYPE_CHECKING:
    from hallmark_client.client import Client
    from hallmark_client.model.removals import Percentiles, RemovalReport

FORMATS: Final = ("table", "csv", "json", "html")
_OVERDUE_SHOWN: Final = 20


@click.command()
@click.option("--since", type=MOMENT, help="Removals asked for since then. Default: 30 days before --until.")
@click.option("--until", type=MOMENT, help="And before then. Default: now.")
@click.option("--format", "form", type=click.Choice(FORMATS), help="Default: by the ending of --output, or table.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this file.")
@server_options("auditor")
@json_option
def report(
    *,
    since: datetime | None,
    until: datetime | None,
    form: str | None,
    output: Path | None,
    server: Server,
    as_json: bool,
) -> None:
    """Show what devices were asked to delete, what proves that they did, how long it took, and who is overdue.

    \b
    table  the summary          csv   one line for each removal, for spreadsheets
    json   the whole report     html  one page for people who are not engineers; it prints well

    \b
    Example:  hallmark consent report --since 2026-11-01 --until 2026-12-01 --output november.html
              hallmark consent report --format csv --output november.csv
    Then:     hallmark consent removals --state overdue
    """
    chosen = "json" if as_json else form or _by_ending(output)
    if since is not None and until is not None and since >= until:
        raise not_usable("OPTIONS", "--since is not before --until", "Give an earlier --since, or leave one out")
    if chosen in {"html", "table"} and (output is None) is (chosen == "html"):
        advice = "Give --output report.html" if chosen == "html" else "Give --format csv, json or html"
        raise not_usable("OPTIONS", f"--format {chosen} and --output do not fit", advice)
    with server.connect() as client:
        found = client.removals.report(since=since, until=until)
        text = _text(client, found, chosen)
    if output is not None:
        write_file(output, text.encode())
        click.echo(f"Wrote {output}.", err=as_json)
    elif text:
        click.echo(text, nl=False)
    else:
        _print(found)


def _by_ending(output: Path | None) -> str:
    ending = "" if output is None else output.suffix.removeprefix(".").lower()
    return ending if ending in FORMATS else "table"


def _text(client: "Client", found: "RemovalReport", chosen: str) -> str:
    """Empty for the table, which goes to the terminal alone."""
    match chosen:
        case "csv":
            # Newest first: what came before the span ends the reading.
            listed = client.removals.list(page_size=1000)
            return removals_csv(listed, since=found.since, until=found.until)
        case "json":
            return json.dumps(found.to_dict(), indent=2) + "\n"
        case "html":
            return report_page(found)
        case _:
            return ""


def _print(found: "RemovalReport") -> None:
    click.echo(f"Removals asked for from {moment(found.since)} to {moment(found.until)}")
    states = [(name, str(count)) for name, count in found.states.items() if count]
    grades = [(f"  of grade {name}", str(count)) for name, count in found.grades.items() if count]
    print_table(("STATE", "REMOVALS"), [*states, *grades] or [("none", "0")])
    for name, times in (("acknowledgement", found.to_acknowledgement), ("receipt", found.to_receipt)):
        if times is not None:
            click.echo(f"From the withdrawal to the {name}: {_times(times)}")
    if found.overdue:
        click.echo(f"Overdue: {found.states.get('overdue', 0)}, the oldest first")
        rows = [
            (short(each.name), short(each.device), moment(each.deadline)) for each in found.overdue[:_OVERDUE_SHOWN]
        ]
        print_table(("REMOVAL", "DEVICE", "DEADLINE"), rows)
        click.echo("Next: hallmark consent removals --state overdue")
    if found.daily_roots:
        newest = found.daily_roots[-1]
        click.echo(f"Signed roots of {len(found.daily_roots)} days; the newest:")
        print_facts({"day": newest.day, "root": newest.root.hex(), "log entry": newest.log.event_key})


def _times(times: "Percentiles") -> str:
    seconds = (times.p50_seconds, times.p99_seconds, times.max_seconds)
    half, most, longest = (f"{each:,.1f} s" for each in seconds)
    return f"half within {half}, 99 of 100 within {most}, longest {longest} ({times.count})"
