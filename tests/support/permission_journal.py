"""What a phone wrote down of all that it was told and did: a file that outlives the process, one JSON line for each.

A line is written before `on_change` returns. Killed between the two, the phone is told again, and that is fine.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

NAME = "journal"


class Journal:
    """Written by one process at a time; a line is whole or, after a kill, not there."""

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / NAME, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, saw: str, **facts: Any) -> None:
        os.write(self._file, json.dumps({"saw": saw, **facts}).encode() + b"\n")


def lines(folder: Path) -> Iterator[dict[str, Any]]:
    """So far."""
    path = folder / NAME
    for line in path.read_bytes().split(b"\n") if path.exists() else ():
        if line:
            yield json.loads(line)


@dataclass(slots=True)
class Memory:
    """What the lines come to. `runs`: jti that were told, by start of the process, in order."""

    runs: list[list[tuple[str, str]]] = field(default_factory=list)
    told: dict[str, str] = field(default_factory=dict)
    """By subject, the status that was heard last: "VALID", "SUSPENDED", "INVALID" or "" for told no more."""
    history: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """By feed and subject, the jti in the order they were told; one that came again at once is not counted twice."""
    commands: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By removal: the change that asked for it."""
    receipts: dict[str, dict[str, Any]] = field(default_factory=dict)
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    allowed: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, folder: Path) -> Self:
        memory = cls()
        for line in lines(folder):
            memory.add(line)
        return memory

    @property
    def taken_back(self) -> set[str]:
        """What was heard to be withdrawn, revoked or suspended, and nothing since."""
        return {subject for subject, status in self.told.items() if status in {"INVALID", "SUSPENDED"}}

    @property
    def gone(self) -> set[str]:
        return {subject for subject, status in self.told.items() if status == "INVALID"}

    @property
    def repeated(self) -> int:
        """Told in one run and again in the next, since the phone was killed between."""
        everything = [each for run in self.runs for each in run]
        return len(everything) - len(set(everything))

    def add(self, line: dict[str, Any]) -> None:
        match line["saw"]:
            case "start":
                self.runs.append([])
            case "change":
                self._change(line)
            case "receipt":
                self.receipts[line["removal"]] = line
            case "answer":
                self.answers[line["removal"]] = line
            case "allowed":
                self.allowed.add(line["subject"])
            case "wrong":
                self.wrong.append(line["text"])

    def _change(self, line: dict[str, Any]) -> None:
        subject, status, jti = line["subject"], line["after"] or "", line["jti"]
        if self.told.get(subject) == "INVALID" and status not in {"INVALID", ""}:
            self.wrong.append(f"{subject} was ended for ever, and is told to be {status}")
        # Told no more: an end stays known.
        if status or self.told.get(subject) != "INVALID":
            self.told[subject] = status
        self.runs[-1].append((line["feed"], f"{jti} {status}"))
        before = self.history.setdefault((line["feed"], subject), [])
        if status and before[-1:] != [jti]:
            before.append(jti)
        if line["kind"] == "DeletionRequested":
            self.commands[line["own"]["removal"]] = line
