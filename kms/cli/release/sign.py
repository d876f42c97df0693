"""`hallmark release sign`: both signatures of a statement."""

from pathlib import Path

import click

from kms.cli.connection import Server, server_options
from kms.cli.invocation import json_option
from kms.cli.output import print_json
from kms.cli.release.options import keys_option


@click.command()
@click.argument("built", type=click.Path(path_type=Path, exists=True, file_okay=False))
@keys_option
@server_options("backend")
@json_option
def sign(built: Path, prefix: str, server: Server, as_json: bool) -> None:
    """Sign the statement of a built release twice: model.sig (ECDSA P-256), model.sig.composite (ML-DSA-65 + ECDSA).

    Devices demand both. model.sig is a sigstore bundle as OpenSSF Model Signing defines it, over shards of 4 MiB. Its
    command line compares whole files only: model.files.sig is for that, to lie beside a folder of plaintext.

    \b
    Example:  hallmark release sign built
    Then:     model_signing verify key ./example-7b --signature built/model.files.sig \\
                --public_key release-trust/statement-ecdsa.pem
              hallmark release publish built
    """
    from hallmark_release.build import load_built
    from hallmark_release.client import BUNDLE_NAME, COMPOSITE_BUNDLE_NAME
    from kms.cli.release.service_keys import KeyNames
    from kms.cli.release.workspace import sign_built

    release = load_built(built)
    with server.connect() as client:
        sign_built(client, KeyNames(prefix), built, release)
    files = {"bundle": str(built / BUNDLE_NAME), "composite_bundle": str(built / COMPOSITE_BUNDLE_NAME)}
    if as_json:
        print_json({**files, "statement_sha256": release.statement.sha256.hex()})
        return
    click.echo(f"Signed: {files['bundle']} and {files['composite_bundle']}")
    click.echo(f"Next: hallmark release publish {built}")
