"""`hallmark ceremony`: keys from one reviewed file, with a signed transcript."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from kms.cli.connection import Server, server_options
from kms.cli.failure import not_usable
from kms.cli.invocation import json_option
from kms.cli.output import print_json, print_table, short, write_file

if TYPE_CHECKING:
    from kms.cli.ceremony.conduct import Minutes
    from kms.cli.ceremony.plan import ReviewedPlan

_EXISTING: Final = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.group()
def ceremony() -> None:
    """Create keys in front of people: one reviewed file says which, a signed transcript says what happened.

    \b
    Example:  hallmark ceremony run first-keys.toml --check
    Then:     hallmark ceremony run first-keys.toml --reviewed SHA256 --transcript first-keys.json
    """


@ceremony.command()
@click.argument("file", type=_EXISTING)
@click.option("--transcript", type=click.Path(path_type=Path, dir_okay=False), help="Where the transcript goes.")
@click.option("--check", is_flag=True, help="Check the file and the server; create nothing.")
@click.option("--reviewed", metavar="SHA256", help="Refuse a file with another SHA-256: the one that was reviewed.")
@server_options("admin")
@json_option
def run(file: Path, transcript: Path | None, check: bool, reviewed: str | None, server: Server, as_json: bool) -> None:
    """Create the keys that FILE lists, wait for the log's proofs, and write the signed transcript.

    FILE is TOML: title, [[present]] (name, role), [[keys]] (id, purpose, algorithm, labels, rotation, usage_limits,
    destroy_wait_days, export_policy) and [transcript] (signed_by: the key that signs). Everything is checked before
    the first key is made. A run that was cut short is finished by running it again with the same file.

    \b
    Writes:   OUT.json  OUT.json.sig  OUT.json.tlog-proof  OUT.json.pem (key that signed it)
    Example:  hallmark ceremony run first-keys.toml --transcript first-keys.json
    Then:     hallmark verify first-keys.json --key first-keys.json.pem
    """
    if (transcript is None) != check:
        raise click.UsageError("give --transcript OUT.json, or --check, and not both")
    from kms.cli.ceremony.conduct import check_reviewed, check_server, hold
    from kms.cli.ceremony.plan import read_plan

    plan = read_plan(file)
    if reviewed is not None:
        check_reviewed(plan, reviewed)
    if transcript is not None and transcript.exists():
        raise not_usable("TRANSCRIPT_EXISTS", f"{transcript} is there already", "Name another file")
    with server.connect() as client:
        check_server(client, plan)
        minutes = None if transcript is None else hold(client, plan)
    if minutes is None or transcript is None:
        _tell_check(plan, as_json=as_json)
    else:
        _write(transcript, minutes)
        _tell(transcript, plan, minutes, as_json=as_json)


def _tell_check(reviewed: "ReviewedPlan", *, as_json: bool) -> None:
    keys = [(key.id, key.key_algorithm().title, key.purpose) for key in reviewed.plan.keys]
    if as_json:
        print_json({"possible": True, "plan_sha256": reviewed.sha256, "keys": [name for name, _, _ in keys]})
        return
    click.echo(f"{reviewed.plan.title}: it can be held as planned. Nothing was created.")
    print_table(("KEY", "ALGORITHM", "PURPOSE"), keys)
    click.echo(f"SHA-256 of the file: {reviewed.sha256}")
    click.echo(f"Next: hallmark ceremony run FILE --reviewed {reviewed.sha256} --transcript OUT.json")


def _write(file: Path, minutes: "Minutes") -> None:
    """The transcript last: where it is, all of it is."""
    from kms.cli.receipt import receipt_file

    write_file(file.with_name(f"{file.name}.pem"), minutes.signer_pem.encode())
    write_file(file.with_name(f"{file.name}.sig"), minutes.signature.signature)
    write_file(file.with_name(f"{file.name}.tlog-proof"), receipt_file(minutes.signature.log))
    write_file(file, minutes.transcript)


def _tell(file: Path, reviewed: "ReviewedPlan", minutes: "Minutes", *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "transcript": str(file),
                "plan_sha256": reviewed.sha256,
                "signed_by": minutes.signature.key_version,
                "keys": [key.to_dict() for key in minutes.keys],
            }
        )
        return
    click.echo(f"{reviewed.plan.title}: {len(minutes.keys)} keys, each proved to be in the log.")
    rows = [
        (short(key.name), key.versions[-1].public_key_sha256, key.versions[-1].protection_level) for key in minutes.keys
    ]
    print_table(("KEY", "SHA-256 OF ITS PUBLIC KEY", "PROTECTION"), rows)
    click.echo(f"Transcript: {file}, signed by {short(minutes.signature.key_version)}.")
    click.echo(f"Next: hallmark verify {file} --key {file}.pem")
