"""`hallmark log verify`: every entry against the signed root, from public files."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kms.cli.failure import CommandError, not_so, not_usable
from kms.cli.invocation import json_option
from kms.cli.log.progress import progress
from kms.cli.log.state_file import StateFile
from kms.cli.log.trust import (
    Trust,
    connections_to,
    fetcher,
    log_at,
    read_note,
    signer_facts,
    signer_names,
    trust_options,
)
from kms.cli.output import print_facts, print_json, write_file

if TYPE_CHECKING:
    from hallmark_tlog.audit import AuditReport
    from hallmark_tlog.audit_state import AuditState
    from hallmark_tlog.checkpoint import Checkpoint
    from hallmark_tlog.errors import TamperedError


@click.command()
@click.option("--public", required=True, metavar="DIR|URL", help="The public files of the log.")
@trust_options(needed=True)
@click.option(
    "--since",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Checkpoint of the last time: the log must extend it. Written anew when all holds.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where the last audit came to: only what is new is read. Written now and then, so an audit can be stopped.",
)
@click.option("--whole", is_flag=True, help="With --state: read every entry again all the same.")
@click.option("--every-proof", is_flag=True, help="Also build and verify the inclusion proof of every entry. Slow.")
@json_option
def verify(
    public: str,
    trust: Trust,
    since: Path | None,
    state: Path | None,
    whole: bool,
    every_proof: bool,
    as_json: bool,
) -> None:
    """Verify a log: checkpoint signatures, consistency with the last time, every entry. Ends 1 when it is broken.

    No service code takes part, only `hallmark_tlog`. A copy of the public folder serves as well as the server's own.
    The tree is rebuilt from the entries and compared with every published hash and with the signed root, which proves
    the inclusion of each of them (RFC 6962 section 5.3); --every-proof tests the building of proofs on top.

    \b
    Example:  hallmark log verify --public http://127.0.0.1:7480 --vkey log.vkey --state audit.state
    Then:     run it again tomorrow: only what is new is read, and nothing can have been taken back meanwhile
    """
    if since is not None and state is not None:
        raise not_usable("OPTIONS", "--since and --state are two memories", "Give one of them; --state has both uses")
    with log_at(public):
        report = _audit(public, trust, since=since, state=state, whole=whole, every_proof=every_proof)
    if since is not None:
        write_file(since, report.state.note)
    if as_json:
        print_json(_document(report))
    else:
        _tell(report, remembers=since is not None or state is not None)


def _audit(
    public: str, trust: Trust, *, since: Path | None, state: Path | None, whole: bool, every_proof: bool
) -> "AuditReport":
    from hallmark_tlog.audit import Audit
    from hallmark_tlog.errors import RollbackError, TamperedError

    file = None if state is None else StateFile(state)
    start = None if file is None else file.read()
    previous = _previous(since, trust)
    if start is not None and whole:
        previous, start = trust.accept(start.note).checkpoint, None
    audit = Audit(
        fetch=fetcher(public),
        accept=trust.accept,
        previous=previous,
        start=start,
        progress=progress("verified"),
        keep=None if file is None else file.keep,
        every_proof=every_proof,
        connections=connections_to(public),
    )
    try:
        with nullcontext() if file is None else file.going_on():
            report = audit.run()
    except TamperedError as error:
        raise _resumed_failure(error, trust, start) or error from error
    except RollbackError as error:
        advice = "A cache or replica may be late: try again in a minute. If it stays so, keep both checkpoints"
        raise not_so("LOG_ROLLBACK_ERROR", str(error), advice) from error
    if file is not None:
        file.write(report.state)
    return report


def _resumed_failure(error: "TamperedError", trust: Trust, start: "AuditState | None") -> CommandError | None:
    """What an interrupted audit had read was never held against a signed root: it may be what is wrong."""
    if start is None or start.entries == trust.accept(start.note).checkpoint.size:
        return None
    return not_so(
        "LOG_TAMPERED_ERROR",
        str(error),
        "The audit went on from one that was interrupted, and what that one read may have been altered: "
        "`--whole` reads everything again",
    )


def _previous(since: Path | None, trust: Trust) -> "Checkpoint | None":
    """The checkpoint of the last time. It is believed for its signatures, not for where it was kept."""
    if since is None or not since.exists():
        return None
    return trust.accept(read_note(since)).checkpoint


def _document(report: "AuditReport") -> dict[str, Any]:
    checkpoint = report.checkpoint
    return {
        "verified": True,
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root_hash": checkpoint.root.hex(),
        "entries_verified": report.entries_verified,
        "inclusions_verified": report.inclusions_verified,
        "proofs_verified": report.proofs_verified,
        "tile_hashes_verified": report.tile_hashes_verified,
        "consistent_from": report.consistent_from,
        "signers": signer_facts(report.signers),
    }


def _tell(report: "AuditReport", *, remembers: bool) -> None:
    checkpoint = report.checkpoint
    click.echo(f"The log {checkpoint.origin} holds: every entry is in the signed tree.")
    extends = "first time: nothing earlier to compare with" if remembers else "no earlier checkpoint was given"
    if report.consistent_from is not None:
        extends = f"the tree of size {report.consistent_from} is its beginning"
    read = "" if report.entries_verified == checkpoint.size else f", {report.entries_verified} of them read this time"
    one_by_one = f", {report.proofs_verified} by a proof of their own" if report.proofs_verified else ""
    print_facts(
        {
            "size": checkpoint.size,
            "root": checkpoint.root.hex(),
            "signed by": signer_names(report.signers),
            "entries": f"{report.inclusions_verified} proved to be included{read}{one_by_one}",
            "consistency": extends,
        }
    )
    if not remembers:
        click.echo("Next time, add --state audit.state to prove that nothing is taken back in between")
