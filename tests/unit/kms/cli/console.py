"""The command line in this process, as the console entry runs it."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from kms.cli.main import run


@dataclass(frozen=True)
class Outcome:
    """Exit code, and what was written."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Console:
    """`console(...)` runs a command."""

    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: object) -> Outcome:
        self.capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = self.capsys.readouterr()
        return Outcome(code, captured.out, captured.err)
