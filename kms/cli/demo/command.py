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
@click.option("--replicas", type=click.IntRange(2, 4), help="Another story: so many servers, one of which is killed.")
@click.option("--postgres", is_flag=True, help="With --replicas: over a private PostgreSQL, started for it.")
@json_option
def demo(
    folder: Path | None,
    evidence: Path | None,
    at: datetime | None,
    challenge: str | None,
    vectors: Path | None,
    keep: bool,
    replicas: int | None,
    postgres: bool,
    as_json: bool,
) -> None:
    """Show the whole main job against a real service, on this machine, with nothing to configure.

    A server is started in a temporary folder; FOLDER (default: this project's own sources) is signed with a hybrid key
    and verified offline; the key is rotated; a device is attested and a tampered copy refused; a model is released, a
    phone takes it with its user's consent and loses it, provably, when that is withdrawn; a revocation reaches a
    watching back office; the server is killed and loses nothing; an auditor verifies the log. Ends 0 only if all held.

    With --replicas and --postgres: servers that share a database and a token, behind a load balancer; one is killed
    while backends sign and back offices watch, nothing is lost, and what the one revokes the other refuses.

    \b
    Example:  hallmark demo
              hallmark demo ./my-model --keep
              hallmark demo --replicas 2 --postgres
    Then:     the last lines say what to try next
    """
    if replicas is not None or postgres:
        _check_replicas(replicas, postgres=postgres, others=(folder, evidence, at, challenge, vectors))
        from kms.cli.demo.replicas import run_replicas_demo

        found = run_replicas_demo(replicas or 2, keep=keep, as_json=as_json)
        if as_json:
            print_json(found.to_dict())
        return
    from kms.cli.demo.runner import run_demo

    findings = run_demo(folder, _genuine(evidence, at, challenge, vectors), keep=keep, as_json=as_json)
    if as_json:
        print_json(findings.to_dict())


def _check_replicas(replicas: int | None, *, postgres: bool, others: tuple[object, ...]) -> None:
    """Raises UsageError."""
    if replicas is not None and not postgres:
        raise click.UsageError("--replicas needs --postgres: replicas share one PostgreSQL database")
    if any(other is not None for other in others):
        raise click.UsageError("--replicas --postgres is a story of its own: it takes no FOLDER and no evidence")


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
