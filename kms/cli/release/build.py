"""`hallmark release build`: encrypt a folder and describe it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kms.cli.connection import Server, server_options
from kms.cli.consent.choices import KINDS
from kms.cli.invocation import json_option
from kms.cli.output import print_json
from kms.cli.release.building import DEFAULT_KIND, Wanted, build_with, default_folder, wanted_release
from kms.cli.release.options import (
    epoch_option,
    ignore_option,
    keys_option,
    minimum_epoch_option,
    model_option,
    version_option,
)

if TYPE_CHECKING:
    from hallmark_release.build import BuiltRelease


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@model_option
@version_option
@epoch_option
@minimum_epoch_option
@click.option("--kind", type=click.Choice(KINDS), default=DEFAULT_KIND, show_default=True, help="What it is.")
@ignore_option
@click.option(
    "-o", "--output", "out", type=click.Path(path_type=Path, file_okay=False), help="Default: MODEL-VERSION.release"
)
@keys_option
@server_options("backend")
@json_option
def build(
    folder: Path,
    model: str | None,
    version: str | None,
    out: Path | None,
    prefix: str,
    server: Server,
    as_json: bool,
    **asked: Any,
) -> None:
    """Encrypt every file of FOLDER and write the statement and the index of a release. Reads each file once.

    The content key is made by the service and comes sealed to it too; only the sealed one is kept. Links, empty files
    and names that are not the same on every device are refused: nothing is left out in silence.

    \b
    Example:  hallmark release build ./example-7b --model example-7b --version 1.0.0 -o built
    Then:     hallmark release sign built
              hallmark release publish built
    """
    from kms.cli.release.service_keys import KeyNames

    name, called = wanted_release(model, version)
    target = out or default_folder(name, called)
    wanted = Wanted(folder=folder, out=target, model=name, version=called, **asked)
    with server.connect() as client:
        built = build_with(client, KeyNames(prefix), wanted)
    _tell(built, target, as_json=as_json)


def _tell(built: "BuiltRelease", target: Path, *, as_json: bool) -> None:
    index = built.index
    if as_json:
        digests = {"statement_sha256": built.statement.sha256.hex(), "index_sha256": index.sha256.hex()}
        facts = {"folder": str(target), "files": len(index.parts), "bytes": index.size}
        print_json({**facts, **index.release.to_dict(), **digests})
        return
    click.echo(f"Built {len(index.parts)} files, {index.size:,} bytes, epoch {index.release.epoch}: {target}")
    click.echo(f"Next: hallmark release publish {target}")
