"""What a check says: how bad it is, a sentence, and what to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    """It works, and should be looked at."""
    PROBLEM = "problem"
    """It does not work, or is not safe."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`check` is a stable name for programs. `advice` is empty where there is nothing to do."""

    check: str
    level: Level
    says: str
    advice: str = ""


def ok(check: str, says: str) -> Finding:
    return Finding(check, Level.OK, says)


def warning(check: str, says: str, advice: str) -> Finding:
    return Finding(check, Level.WARNING, says, advice)


def problem(check: str, says: str, advice: str) -> Finding:
    return Finding(check, Level.PROBLEM, says, advice)


def worst(findings: Sequence[Finding]) -> Level:
    order = list(Level)
    return max((finding.level for finding in findings), key=order.index, default=Level.OK)
