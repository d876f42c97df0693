"""`hallmark log find`: entries by what they are about, by type and by time."""

from datetime import datetime
from itertools import islice

import click

from kms.cli.connection import Server, server_options
from kms.cli.invocation import json_option
from kms.cli.log.found import document_of, tell
from kms.cli.output import print_json
from kms.cli.times import MOMENT


@click.command()
@click.option("--subject", default="", metavar="NAME", help="Exactly this subject; with /* behind it, all below it.")
@click.option("--type", "event_type", default="", metavar="TYPE", help="Such as key.created (docs/log.md has all).")
@click.option("--since", type=MOMENT, help="Events of this time and later.")
@click.option("--until", type=MOMENT, help="Events before this time.")
@click.option("--oldest-first", is_flag=True, help="Default: the newest first.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=20, show_default=True, help="Show so many.")
@server_options("auditor")
@json_option
def find(
    subject: str,
    event_type: str,
    since: datetime | None,
    until: datetime | None,
    oldest_first: bool,
    limit: int,
    server: Server,
    as_json: bool,
) -> None:
    """Find published entries of the tenant by subject, type and time.

    The server finds them in an index beside the log; what is shown is each entry as it stands in the log. `log prove`
    proves any of them.

    \b
    Example:  hallmark log find --subject 'tenants/default/keys/manifest/*' --since 2026-11-01
    Then:     hallmark log prove --public URL --vkey log.vkey --entry 4711
    """
    with server.connect() as client:
        found = client.log.find(
            subject=subject,
            event_type=event_type,
            start_time=since,
            end_time=until,
            oldest_first=oldest_first,
            page_size=min(limit, 256),
        )
        records = list(islice(found, limit))
    if as_json:
        print_json([document_of(record) for record in records])
        return
    for record in records:
        tell(record)
    if not records:
        click.echo("Nothing fits. What happened a moment ago is found once it is published: try again")
