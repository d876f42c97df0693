"""`hallmark log keys`: the verifier keys, from the server."""

from pathlib import Path

import click

from kms.cli.connection import Server, server_options
from kms.cli.invocation import json_option
from kms.cli.output import print_json, write_file


@click.command()
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write them there, one on each line.")
@server_options("auditor")
@json_option
def keys(output: Path | None, server: Server, as_json: bool) -> None:
    """Print the log's verifier keys, as the server tells them. Take them once, and keep them.

    \b
    Example:  hallmark log keys --output log.vkey
    Then:     hallmark log verify --public hallmark-data/public --vkey log.vkey
    """
    with server.connect() as client:
        identity = client.capabilities().log
    if output is not None:
        write_file(output, "".join(f"{line}\n" for line in identity.verifier_keys).encode())
    if as_json:
        print_json(identity.to_dict())
    elif output is None:
        click.echo("\n".join(identity.verifier_keys))
    else:
        public = identity.public_url or "DIR"
        click.echo(f"Wrote {output}. Next: hallmark log verify --public {public} --vkey {output}")
