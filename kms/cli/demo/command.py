"""`hallmark demo`: the whole main job against a real service, step by step."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from kms.cli.invocation import json_option
from kms.cli.output import print_json
from kms.cli.times import MOMENT

if TYPE_CHECKING:
    from kms.cli.demo.stage import Genuine

_EXISTING_FILE: Final = click.Path(path_type=Path, exists=True, dir_okay=False)
_EXISTING_FOLDER: Final = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command()
@click.argument("folder", type=_EXISTING_FOLDER, required=False)
@click.option("--evidence", type=_EXISTING_FILE, help="Judge this genuine evidence too (with --at and --challenge).")
@click.option("--at", type=MOMENT, help="When the evidence was made.")
@click.option("--challenge", metavar="HEX", help="The challenge it was made for.")
@click.option("--vectors", type=_EXISTING_FOLDER, help="Folder of public vectors: judge its Pixel chain too.")
@click.option("--keep", is_flag=True, help="Keep the server's data and the public files afterwards.")
@json_option
def demo(
    folder: Path | None,
    evidence: Path | None,
    at: datetime | None,
    challenge: str | None,
    vectors: Path | None,
    keep: bool,
    as_json: bool,
) -> None:
    """Show the whole main job against a real service, on this machine, with nothing to configure.

    A server is started in a temporary folder; FOLDER (default: this project's own sources) is signed with a hybrid key
    and verified offline; the key is rotated; a device is attested and a tampered copy refused; a revocation reaches a
    watching back office; the server is killed and loses nothing; an auditor verifies the log. Ends 0 only if all held.

    \b
    Example:  hallmark demo
              hallmark demo ./my-model --keep
    Then:     the last lines say what to try next
    """
    from kms.cli.demo.runner import run_demo

    findings = run_demo(folder, _genuine(evidence, at, challenge, vectors), keep=keep, as_json=as_json)
    if as_json:
        print_json(findings.to_dict())


def _genuine(
    evidence: Path | None, at: datetime | None, challenge: str | None, vectors: Path | None
) -> "Genuine | None":
    from kms.cli.attest import challenge_of
    from kms.cli.demo.devices import find_genuine
    from kms.cli.demo.stage import Genuine

    match evidence, at, challenge:
        case None, None, None:
            return None if vectors is None else find_genuine(vectors)
        case Path(), datetime(), str() if vectors is None:
            return Genuine(evidence, at, challenge_of(challenge))
        case _:
            raise click.UsageError("give --evidence FILE with --at TIME and --challenge HEX, or --vectors DIR, or none")
