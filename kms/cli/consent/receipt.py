"""`hallmark consent receipt`: what the person gets."""

from pathlib import Path

import click

from kms.cli.connection import Server, server_options
from kms.cli.consent.choices import CONSENT
from kms.cli.invocation import json_option
from kms.cli.output import print_json, write_file

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("consent", type=CONSENT)
@click.option("--output", "-o", type=_FILE, help="Write it there: a page for people, or what was signed with .json.")
@server_options("auditor")
@json_option
def receipt(consent: str, output: Path | None, server: Server, as_json: bool) -> None:
    """The signed receipt of a consent, for the person who gave it. Its signature is checked first.

    A page (.html) says in plain words who may do what, until when, how to take it back, and what happens then; it
    loads nothing and prints well. FILE.json is what the service signed, byte for byte.

    \b
    Example:  hallmark consent receipt 01933b5e-7c2f-7e0e-b0a5-0d4f1a6f0f8e --output receipt.html
    """
    with server.connect() as client:
        found = client.consents.receipt(consent)
        found.verify(client.consents.service_keys())
    if output is not None:
        write_file(output, found.payload if output.suffix == ".json" else found.html.encode())
    if as_json:
        print_json(found.to_dict())
    elif output is None:
        click.echo(found.payload.decode())
    else:
        click.echo(f"Wrote {output}; the signature by {found.signature.key_version} holds.")
