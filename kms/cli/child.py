"""The program as a child process: the server, and other commands seen from outside."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from kms.cli.failure import CommandError, ExitCode
from kms.cli.lasting_port import lasting_port

_POLL_SECONDS: Final = 0.02
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 20.0
_BESIDE_OTHERS: Final = {"HALLMARK__OBSERVING__PORT": "0"}
"""A server of the user's own may have the well-known port of metrics and health."""


def command_line(*arguments: str) -> list[str]:
    """`hallmark arguments`, with the interpreter and the code that run now."""
    return [sys.executable, "-m", "kms.cli.main", *arguments]


def clean_environment() -> dict[str, str]:
    """Ours, without settings of another server that happen to stand in it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("HALLMARK")}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said: exit code, its JSON document, and its words for people."""

    exit_code: int
    document: Mapping[str, Any]
    words: str


def ask(*arguments: str, folder: Path) -> Answer:
    """Run a command with --json in another process, in a folder of its own. Raises CommandError without answer."""
    ran = subprocess.run(
        command_line(*arguments, "--json"), cwd=folder, env=clean_environment(), capture_output=True, check=False
    )
    words = ran.stderr.decode("utf-8", "replace").strip()
    try:
        document = json.loads(ran.stdout)
    except ValueError:
        problem = f"`hallmark {' '.join(arguments)}` ended {ran.returncode} without an answer: {words}"
        raise CommandError("NO_ANSWER", problem, exit_code=ExitCode.NOT_SO) from None
    return Answer(ran.returncode, document, words)


@dataclass(slots=True)
class ServerProcess:
    """`hallmark serve` in a process of its own, with a home folder and a log file."""

    home: Path
    log_file: Path
    settings_file: Path | None = None
    address: str = ""
    public_url: str = ""
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> float:
        """Start, wait until it serves, and give the seconds that took. On the ports it had before, if it had any.

        Raises CommandError when it ends instead or is too slow; the text has the last words of its log.
        """
        began = time.monotonic()
        arguments = ["--home", str(self.home), "--port", _port(self.address), "--public-port", _port(self.public_url)]
        if self.settings_file is not None:
            arguments += ["--config", str(self.settings_file)]
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                command_line("serve", *arguments),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=clean_environment() | _BESIDE_OTHERS,
            )
        while not self._serves():
            if time.monotonic() - began > _START_SECONDS:
                self.kill()
                raise self._failure(f"the server was not ready after {_START_SECONDS:.0f} seconds")
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self._process.wait(_POLL_SECONDS)
                raise self._failure(f"the server ended with {code} instead of starting")
        return time.monotonic() - began

    def kill(self) -> None:
        """SIGKILL: no chance to finish anything."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """SIGTERM, and SIGKILL when that does not end it."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def _serves(self) -> bool:
        """The server writes server.json when it serves; one of an earlier process names another pid."""
        try:
            facts = json.loads((self.home / "server.json").read_bytes())
        except (FileNotFoundError, ValueError):
            return False
        if facts["pid"] != self.pid:
            return False
        self.address, self.public_url = facts["address"], facts["public_url"]
        return True

    def _failure(self, problem: str) -> CommandError:
        last = self.log_file.read_text("utf-8", "replace").strip().splitlines()[-5:]
        words = "\n".join((f"{problem}; its last words:", *last))
        return CommandError(
            "SERVER_NOT_STARTED", words, exit_code=ExitCode.NOT_REACHABLE, advice=f"Its log is {self.log_file}"
        )


def _port(place: str) -> str:
    """Of host:port or http://host:port; where there is none yet, one to keep."""
    port = place.rpartition(":")[2]
    return port if port.isdigit() else str(lasting_port())


def as_toml(value: str | Sequence[str]) -> str:
    """A string or a list of strings; JSON's form of both is TOML's too."""
    return json.dumps(value)
