"""`hallmark log witnesses`: asks the witnesses of a policy about the published checkpoint, as the service would."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from kms.cli.failure import ExitCode, not_usable
from kms.cli.invocation import json_option
from kms.cli.log.trust import fetcher, log_at
from kms.cli.output import print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hallmark_tlog.fetch import Fetch
    from hallmark_tlog.policy import Witness
    from hallmark_tlog.verify import Signer
    from hallmark_tlog.witness import Answer
    from kms.log.witnesses.settings import WitnessSettings

_ADVICE: Final = {
    "UNKNOWN_LOG": "give its operator the log's origin and the vkey of type 0x01 (`hallmark log keys`)",
    "NO_LOG_SIGNATURE": "give its operator the log's vkeys as they are now (`hallmark log keys`)",
    "INCONSISTENT": "it has seen another tree of this log: find out why before anything else",
}


@click.command()
@click.option("--public", required=True, metavar="DIR|URL", help="The public files of the log.")
@click.option(
    "--policy",
    "policy_file",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The tlog-policy file of log.witness_policy: its witnesses have URLs.",
)
@click.option("--timeout", "seconds", type=click.FloatRange(0.1, 60), default=5.0, show_default=True, help="Of each.")
@json_option
def witnesses(public: str, policy_file: Path, seconds: float, as_json: bool) -> None:
    """Ask each witness to cosign the published checkpoint, and say what it answers. Ends 1 when the quorum is missing.

    For setting witnesses up, before log.witness_mode is closed, and for finding out why one does not cosign. It changes
    nothing here; a witness may remember the checkpoint, as it is there to do.

    \b
    Example:  hallmark log witnesses --public http://127.0.0.1:7480 --policy witnesses.policy
    """
    settings = _settings(policy_file)
    with log_at(public):
        checkpoint = fetcher(public)("checkpoint")
    rows: list[dict[str, Any]] = []
    signers: list[Signer] = []
    for url, group in settings.by_url().items():
        said, cosigned = _ask(url, group, checkpoint, fetcher(public), seconds)
        signers += cosigned
        rows.append({"names": [witness.name for witness in group], "url": url, "cosigns": bool(cosigned), "says": said})
    missing = settings.policy.missing(signers)
    if as_json:
        print_json({"quorum_reached": not missing, "missing": missing, "witnesses": rows})
    else:
        table = [(", ".join(row["names"]), row["url"], "yes" if row["cosigns"] else "NO", row["says"]) for row in rows]
        print_table(("WITNESS", "URL", "COSIGNS", "SAYS"), table)
        click.echo("The quorum is reached." if not missing else f"The quorum is NOT reached without {_any(missing)}.")
    if missing:
        click.get_current_context().exit(ExitCode.NOT_SO)


def _settings(policy_file: Path) -> "WitnessSettings":
    from kms.log.witnesses.settings import WitnessSettings, read_witness_policy

    try:
        settings = WitnessSettings(policy=read_witness_policy(policy_file))
    except ValueError as error:
        raise not_usable("POLICY_INVALID", str(error), "C2SP tlog-policy says how it is written") from error
    if not settings.by_url():
        raise not_usable("POLICY_INVALID", f"no witness of {policy_file} has a URL", "witness NAME VKEY https://...")
    return settings


def _ask(
    url: str, group: "Sequence[Witness]", checkpoint: bytes, fetch: "Fetch", seconds: float
) -> "tuple[str, Sequence[Signer]]":
    """What it says, for people; the keys that cosigned."""
    from hallmark_tlog.witness import Cosigned, Refused, SizeConflict, TryLater
    from kms.log.witnesses.http import WitnessHttp, WitnessUnreachable

    http = WitnessHttp(url)
    try:
        answer = _submit(http, group, checkpoint, fetch, seconds)
    except WitnessUnreachable as error:
        return str(error), ()
    finally:
        http.close()
    match answer:
        case Cosigned(lines):
            return f"{len(lines)} good cosignatures", [signer for _, signer in lines]
        case SizeConflict(size):
            return f"it has size {size}, which the published checkpoint does not extend", ()
        case TryLater(status):
            return f"status {status}: it is busy or broken", ()
        case Refused(reason, problem):
            advice = _ADVICE.get(reason.name)
            return f"{reason.name.lower()}: {problem}" + (f"; {advice}" if advice else ""), ()


def _submit(http: Any, group: "Sequence[Witness]", checkpoint: bytes, fetch: "Fetch", seconds: float) -> "Answer":
    """Once from size 0, which makes a witness that knows the log say its size, then from there."""
    from hallmark_tlog.checkpoint import parse_checkpoint
    from hallmark_tlog.note import Note, parse_note
    from hallmark_tlog.prove import consistency_proof
    from hallmark_tlog.reader import TileReader
    from hallmark_tlog.witness import AddCheckpointRequest, SizeConflict, read_answer

    note = parse_note(checkpoint)
    head = parse_checkpoint(note.text)
    own = bytes(Note(note.text, tuple(line for line in note.signatures if line.name == head.origin)))
    keys = [witness.cosigner for witness in group]

    def submit(old: int) -> "Answer":
        proof = consistency_proof(old, head.size, TileReader(fetch, head.size).read_hash)
        body = bytes(AddCheckpointRequest(old, tuple(proof), own))
        got = http.exchange("POST", "add-checkpoint", body, timeout_seconds=seconds)
        return read_answer(got.status, got.content_type, got.body, text=note.text, vkeys=keys)

    answer = submit(0)
    if isinstance(answer, SizeConflict) and 0 < answer.size <= head.size:
        return submit(answer.size)
    return answer


def _any(names: "Sequence[str]") -> str:
    return " or ".join(names)
