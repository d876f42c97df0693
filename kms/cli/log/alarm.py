"""What happens when a monitor finds something wrong: it says so, keeps the evidence, runs a command."""

import hashlib
import os
import shlex
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from kms.cli.log.matching import printable
from kms.cli.output import print_json_line, write_file

if TYPE_CHECKING:
    from hallmark_tlog.monitor import Alarm

_COMMAND_SECONDS: Final = 60


@dataclass(slots=True)
class Shouting:
    """The same alarm is shouted once, until it is gone."""

    evidence_folder: Path
    command: str | None
    as_json: bool
    standing: set[tuple[str, str, str]] = field(default_factory=set)

    def shout(self, alarms: "tuple[Alarm, ...]") -> None:
        now = {_identity(alarm) for alarm in alarms}
        for alarm in alarms:
            if _identity(alarm) not in self.standing:
                self._shout(alarm)
        self.standing = now

    def _shout(self, alarm: "Alarm") -> None:
        file = None if alarm.evidence is None else self._keep(alarm.kind.value, bytes(alarm.evidence))
        facts = {
            "alarm": alarm.kind.value,
            "place": alarm.place,
            "message": alarm.message,
            "evidence": None if file is None else str(file),
        }
        click.echo(printable(f"ALARM {alarm.kind.value} at {alarm.place}: {alarm.message}"), err=True)
        if file is not None:
            click.echo(f"      both signed checkpoints are in {file}; hallmark log check-fork {file}", err=True)
        if self.as_json:
            print_json_line(facts)
        if self.command is not None:
            _run(self.command, facts)

    def _keep(self, kind: str, evidence: bytes) -> Path | None:
        """None when it cannot be written: the alarm is shouted all the same."""
        path = self.evidence_folder / f"{kind.lower()}-{hashlib.sha256(evidence).hexdigest()[:12]}.json"
        try:
            write_file(path, evidence)
        except OSError as error:
            click.echo(f"      the evidence cannot be kept in {path}: {error.strerror}. This is it:", err=True)
            click.echo(evidence.decode(), err=True)
            return None
        return path


def _identity(alarm: "Alarm") -> tuple[str, str, str]:
    # The age in the message of a stale log grows: it is the same alarm.
    stable = alarm.message if alarm.kind.value != "STALE" else ""
    return alarm.kind.value, alarm.place, stable


def _run(command: str, facts: dict[str, Any]) -> None:
    """Without a shell: what the log says never becomes part of a command line."""
    environment = {f"HALLMARK_ALARM_{name.upper()}": str(value or "") for name, value in facts.items()}
    environment["HALLMARK_ALARM_KIND"] = environment.pop("HALLMARK_ALARM_ALARM")
    try:
        ran = subprocess.run(
            shlex.split(command), env={**os.environ, **environment}, timeout=_COMMAND_SECONDS, check=False
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        click.echo(f"      --on-alarm could not be run: {error}", err=True)
        return
    if ran.returncode:
        click.echo(f"      --on-alarm ended with {ran.returncode}", err=True)
