"""`hallmark log receipt`: the log's promise in CBOR, for SCITT and EAT consumers."""

from pathlib import Path
from typing import Final

import click

from kms.cli.connection import Server, server_options
from kms.cli.invocation import json_option
from kms.cli.log.which import entry_arguments
from kms.cli.output import print_json, read_file, write_file

_ALGORITHMS: Final = ("EdDSA", "ML-DSA-44")
_MAX_KEYS_BYTES: Final = 200_000


@click.command()
@click.argument("entry", metavar="N|KEY")
@click.option("--algorithm", type=click.Choice(_ALGORITHMS), default="EdDSA", show_default=True, help="Who signs it.")
@click.option(
    "--keys",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Verify it with this COSE_KeySet, such as the public file receipt-keys.",
)
@click.option("--origin", help="The log that must have issued it. Default: what the server says its log is.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the receipt there (CBOR).")
@click.option("--entry-output", type=click.Path(path_type=Path, dir_okay=False), help="Write the entry there.")
@server_options("auditor")
@json_option
def receipt(
    entry: str,
    algorithm: str,
    keys: Path | None,
    origin: str | None,
    output: Path | None,
    entry_output: Path | None,
    server: Server,
    as_json: bool,
) -> None:
    """Get a COSE Receipt (RFC 9942) of an entry, by number or event key. With --keys it is verified first.

    A receipt shows that the entry is in a tree that the log's receipt key signed. It has no witnesses: unlike the
    tlog-proof of `log prove` it does not show that everybody sees the same log.

    \b
    Example:  curl -o receipt-keys http://127.0.0.1:7480/receipt-keys
              hallmark log receipt 4711 --keys receipt-keys --output 4711.cose --entry-output 4711.json
    """
    with server.connect() as client:
        found = client.log.receipt(algorithm=algorithm, **entry_arguments(entry))  # type: ignore[arg-type]
        issuer = origin or client.capabilities().log.origin
    if keys is not None:
        found.verify(read_file(keys, _MAX_KEYS_BYTES), issuer)
    if output is not None:
        write_file(output, found.receipt)
    if entry_output is not None:
        write_file(entry_output, found.entry)
    if as_json:
        print_json({**found.to_dict(), "origin": issuer, "verified": keys is not None})
        return
    where = f"Wrote {output}" if output is not None else f"{len(found.receipt)} bytes; --output writes it"
    click.echo(f"Receipt of entry {found.leaf_index} in the tree of {found.tree_size}, {algorithm}: {where}.")
    if keys is None:
        click.echo("Not verified: --keys takes the public file receipt-keys, from a place that you trust")
    else:
        click.echo(f"It holds: issued by {issuer}.")
