"""`hallmark log erase`: destroy what opens commitments."""

import click

from kms.cli.connection import Server, server_options
from kms.cli.failure import not_usable
from kms.cli.invocation import json_option
from kms.cli.output import print_json


@click.command()
@click.option("--entry", "event_key", metavar="KEY", help="The event key of one entry.")
@click.option("--person", metavar="HANDLE", help="Everything that was appended with this handle.")
@click.option("--reason", default="", help="Why. The log gets a commitment to it, not the words.")
@click.option("--request-id", metavar="UUID", help="To repeat a call whose answer was lost. Default: a new one.")
@server_options("admin")
@json_option
def erase(
    event_key: str | None, person: str | None, reason: str, request_id: str | None, server: Server, as_json: bool
) -> None:
    """Destroy the salts of commitments, of one entry or of everything about one person. It can not be undone.

    The entries stay in the log, and nobody can tell any more what they commit to. That it was done is an entry, too.
    Backups of the database keep the salts as long as you keep them (docs/log.md).

    \b
    Example:  hallmark log erase --person 7f0c2e --reason 'request of 2026-11-21'
    Then:     hallmark log open KEY    (says COMMITMENT_ERASED)
    """
    if (event_key is None) == (person is None):
        raise not_usable("OPTIONS", "say what is to be erased", "Give --entry KEY, or --person HANDLE")
    with server.connect() as client:
        done = client.log.erase(event_key=event_key, person=person, reason=reason, request_id=request_id)
    if as_json:
        print_json(done.to_dict())
        return
    noun = "entry" if done.erased_entries == 1 else "entries"
    click.echo(f"Destroyed the salts of {done.erased_entries} {noun}. The log says so under {done.log.event_key}.")
