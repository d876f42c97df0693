"""`hallmark audit cbom`."""

from pathlib import Path

import click

from kms.cli.connection import Server, server_options
from kms.cli.invocation import json_option
from kms.cli.output import print_json, write_file


@click.command()
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Where to write it.")
@server_options("auditor")
@json_option
def cbom(*, output: Path, server: Server, as_json: bool) -> None:
    """Write a cryptography bill of materials of a running service: CycloneDX 1.6, JSON.

    Algorithms, every version of the tenant's keys (name, state, algorithm, where it is kept: no key material),
    certificates, TLS as the server speaks it with the key exchange groups that sessions had, the libraries that do the
    cryptography. Run it where the service is installed: versions of packages are those of this installation.

    \b
    Example:  hallmark audit cbom --output cbom.json
    """
    from kms.cli.audit.cbom_build import Cbom
    from kms.cli.audit.cbom_facts import gather
    from kms.cli.audit.documents import written

    folder = server.profile_folder or server.home / "clients" / server.role
    with server.connect() as client:
        facts = gather(client, server.profile(), folder)
    document = Cbom(facts).build()
    write_file(output, written(document))
    if as_json:
        print_json({"output": str(output), "components": len(document.components), "keys": len(facts.keys)})
        return
    click.echo(f"Wrote {output}: {len(document.components)} components, among them {len(facts.keys)} keys.")
