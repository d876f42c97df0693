"""`hallmark log monitor`: follow a log and its mirrors, and shout."""

import json
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import click

from kms.cli.failure import ExitCode, not_usable
from kms.cli.invocation import json_option
from kms.cli.log.alarm import Shouting
from kms.cli.log.matching import MATCH, Match, printable, read_entry
from kms.cli.log.progress import progress
from kms.cli.log.state_file import StateFile
from kms.cli.log.trust import Trust, connections_to, fetcher, signer_facts, trust_options
from kms.cli.output import print_facts, print_json, print_json_line, read_file
from kms.cli.times import SPAN

if TYPE_CHECKING:
    from hallmark_tlog.audit import AuditReport
    from hallmark_tlog.monitor import Look, Monitor

_MATCHES_IN_MEMORY_BYTES: Final = 1_000_000
_MAX_EVIDENCE_BYTES: Final = 4_000_000


@click.command()
@click.option(
    "--public", "places", multiple=True, required=True, metavar="DIR|URL", help="The log; again for each mirror of it."
)
@trust_options(needed=True)
@click.option(
    "--state",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The monitor's own memory: its last checkpoint and how far it read.",
)
@click.option("--interval", type=SPAN, default="60s", show_default=True, help="Between two looks.")
@click.option("--once", is_flag=True, help="Look once and end.")
@click.option(
    "--max-age", type=SPAN, default="1h", show_default=True, help="Alarm when no signature is younger; 0: any age."
)
@click.option(
    "--match", "matches", multiple=True, type=MATCH, help="Print new entries with this field, such as type=key.*"
)
@click.option("--on-alarm", "command", help="Command to run at an alarm, with HALLMARK_ALARM_* in its environment.")
@click.option(
    "--evidence",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder for conflicting checkpoints. Default: that of --state.",
)
@click.option("--keep-going", is_flag=True, help="Go on after an alarm instead of ending with 1.")
@json_option
def monitor(
    places: tuple[str, ...],
    trust: Trust,
    state: Path,
    interval: timedelta,
    once: bool,
    max_age: timedelta,
    matches: tuple[Match, ...],
    command: str | None,
    evidence: Path | None,
    keep_going: bool,
    as_json: bool,
) -> None:
    """Follow a log: every new checkpoint must extend the last one, every new entry must be in it.

    Prints a line for each new checkpoint. An alarm (fork, rollback, altered entries, missing signatures or quorum, no
    fresh signature) goes to standard error and ends the monitor with 1; a fork leaves a file with both signed
    checkpoints. A cache or replica that lags, within --max-age, is no rollback. With several --public, what they show
    is compared. Several --match must all hold.

    \b
    Example:  hallmark log monitor --public http://127.0.0.1:7480 --vkey log.vkey --state monitor.state
    Then:     hallmark log monitor --public URL --public MIRROR --policy log.policy --state monitor.state \\
                --match type=key.* --match subject=*/keys/manifest --on-alarm ./page-me
    """
    file = StateFile(state)
    follower = _follower(places, trust, file, max_age)
    shouting = Shouting(evidence or state.parent, command, as_json)
    while True:
        found = _look(follower, file, matches, as_json=as_json)
        shouting.shout(found.alarms)
        _remember(found, follower, file)  # after the shouting: a disk that is full must not silence it
        for away in found.unreachable:
            click.echo(f"{away.place} cannot be read now: {away.message}", err=True)
        for late in found.behind:
            click.echo(f"{late.place} lags, which is no alarm: it {late.message}", err=True)
        if once or (found.alarms and not keep_going):
            click.get_current_context().exit(_exit_code(found))
        time.sleep(interval.total_seconds())


def _follower(places: Sequence[str], trust: Trust, file: StateFile, max_age: timedelta) -> "Monitor":
    from hallmark_tlog.monitor import Monitor, Place

    return Monitor(
        [Place(place, fetcher(place)) for place in places],
        trust.accept,
        state=file.read(),
        max_age_seconds=max_age.total_seconds() or None,
        connections=connections_to(places[0]),
    )


def _exit_code(found: "Look") -> ExitCode:
    if found.alarms:
        return ExitCode.NOT_SO
    return ExitCode.NOT_REACHABLE if found.unreachable else ExitCode.OK


def _look(follower: "Monitor", file: StateFile, matches: tuple[Match, ...], *, as_json: bool) -> "Look":
    """One look. Entries that match are told once their tree is known to be the signed one; until then they wait."""
    with tempfile.SpooledTemporaryFile(_MATCHES_IN_MEMORY_BYTES, mode="w+") as waiting:

        def on_entry(index: int, data: bytes) -> None:
            entry = read_entry(data)
            if entry is not None and all(match.holds(entry) for match in matches):
                waiting.write(json.dumps({"index": index, "entry": entry}, separators=(",", ":")) + "\n")

        before = follower.state
        with file.going_on():
            found = follower.look(
                time.time(),
                on_entry=on_entry if matches else None,
                keep=None if matches else file.keep,
                progress=progress("verified"),
            )
        if found.report is not None and follower.state is not None:
            _tell(found.report, is_first=before is None, as_json=as_json)
            _tell_matches(waiting, as_json=as_json)
    return found


def _remember(found: "Look", follower: "Monitor", file: StateFile) -> None:
    if found.report is not None and follower.state is not None:
        file.write(follower.state)
    elif found.alarms:
        file.take_back()


def _tell(report: "AuditReport", *, is_first: bool, as_json: bool) -> None:
    checkpoint = report.checkpoint
    if as_json:
        print_json_line(
            {
                "checkpoint": {"origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.hex()},
                "entries_verified": report.entries_verified,
                "consistent_from": report.consistent_from,
                "signers": signer_facts(report.signers),
            }
        )
        return
    extends = "first look" if is_first else f"extends {report.consistent_from}"
    times = [signer.timestamp for signer in report.signers if signer.timestamp]
    when = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(max(times))) if times else "no time"
    click.echo(
        f"{when}  size {checkpoint.size}, {extends}, {report.entries_verified} new entries, "
        f"{len(report.signers)} signatures, root {checkpoint.root.hex()[:16]}"
    )


def _tell_matches(waiting: IO[str], *, as_json: bool) -> None:
    waiting.seek(0)
    for line in waiting:
        if as_json:
            click.echo(line, nl=False)
        else:
            found: dict[str, Any] = json.loads(line)
            entry = found["entry"]
            shown = " ".join(str(entry[name]) for name in ("time", "type", "subject") if name in entry)
            click.echo(f"  entry {found['index']}: {printable(shown or json.dumps(entry))}")


@click.command("check-fork")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@trust_options(needed=True)
@json_option
def check_fork(file: Path, trust: Trust, as_json: bool) -> None:
    """Verify evidence of a fork that a monitor kept: both checkpoints are signed and contradict each other.

    Ends 0 when the fork is proved, 1 when it is not.

    \b
    Example:  hallmark log check-fork fork-0d3c6a1f2b4e.json --vkey log.vkey
    """
    from hallmark_tlog.errors import FormatError
    from hallmark_tlog.fork_evidence import parse_evidence, verify_fork

    try:
        evidence = parse_evidence(read_file(file, _MAX_EVIDENCE_BYTES))
    except FormatError as error:
        raise not_usable("EVIDENCE_INVALID", f"{file}: {error}", "Give a file that `log monitor` wrote") from error
    fork = verify_fork(evidence, trust.accept)
    pair = {"smaller": fork.smaller, "larger": fork.larger}
    if as_json:
        facts = {name: {"size": one.size, "root": one.root.hex()} for name, one in pair.items()}
        print_json({"fork": True, "origin": fork.larger.origin, **facts})
        return
    click.echo(f"The log {fork.larger.origin} forked: it signed two checkpoints that cannot both be true.")
    print_facts({name: f"size {one.size}, root {one.root.hex()}" for name, one in pair.items()})
