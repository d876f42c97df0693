"""The tools that fetch.sh got, and running them. A tool that is not there skips the test and says what to do."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn

import pytest

RUN_SECONDS = 60
START_SECONDS = 20
_STOP_SECONDS = 10
_POLL_SECONDS = 0.05
_PORT_ATTEMPTS = 3
_LINE_CHARACTERS_MAX = 500
_LINES_MAX = 50
_FETCH = "run tests/peers/fetch.sh"


@dataclass(frozen=True, slots=True)
class Peers:
    """The folder of fetch.sh."""

    folder: Path

    def program(self, name: str, *, of: str | None = None) -> Path:
        """The program `name`, which came with the tool `of` (its own name). Skips without it."""
        self.require(of or name)
        return self.folder / "bin" / name

    def python(self) -> Path:
        """An interpreter that has the packages of requirements.txt. Skips without it."""
        self.require("python")
        return self.folder / "venv" / "bin" / "python"

    def model_signing(self) -> Path:
        """An interpreter that has OpenSSF Model Signing. Skips without it."""
        self.require("model-signing")
        return self.folder / "venv-model-signing" / "bin" / "python"

    def require(self, tool: str) -> str:
        """What fetch.sh says of a tool: its version. Skips when it could not get it."""
        try:
            state, _, text = (self.folder / "tools" / tool).read_text().strip().partition(" ")
        except FileNotFoundError:
            pytest.skip(f"{tool} is not in {self.folder}: {_FETCH}")
        if state != "ok":
            pytest.skip(f"{tool} could not be fetched: {text}")
        return text


def find_peers() -> Peers:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Peers(Path(os.environ.get("PEERS") or cache / "hallmark-peers").resolve())


@dataclass(frozen=True, slots=True)
class Outcome:
    """`output` is all that was printed. `status` is None for a program that was ended because it took too long."""

    status: int | None
    output: str

    def must_succeed(self) -> str:
        if self.status != 0:
            self.fail("failed" if self.status is not None else "did not end in time")
        return self.output

    def fail(self, why: str) -> NoReturn:
        pytest.fail(f"{why}, {self}", pytrace=False)

    def __str__(self) -> str:
        """For people: long lines are tiles in hexadecimal."""
        lines = [line[:_LINE_CHARACTERS_MAX] for line in self.output.splitlines()[-_LINES_MAX:]]
        return "\n".join((f"status {self.status}:", *lines))


def run(*command: str | Path, stdin: bytes = b"", seconds: float = RUN_SECONDS) -> Outcome:
    """Runs a program to its end, at most `seconds`."""
    try:
        done = subprocess.run(
            list(map(str, command)),
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        return Outcome(None, (late.output or b"").decode(errors="replace"))
    return Outcome(done.returncode, done.stdout.decode(errors="replace"))


@contextmanager
def running(command: Sequence[str | Path], *, output: Path, ready: Callable[[], bool]) -> Iterator[None]:
    """A server as a child process, from when `ready` says so until the end of the block. What it prints is `output`."""
    with output.open("wb") as stream:
        child = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not ready():
            if child.poll() is not None or time.monotonic() > deadline:
                raise NotStarted(Outcome(child.poll(), output.read_text(errors="replace")))
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        child.terminate()
        try:
            child.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


class NotStarted(Exception):
    def __init__(self, outcome: Outcome) -> None:
        super().__init__(f"a server did not start, {outcome}")
        self.outcome = outcome


@contextmanager
def listening(command: Callable[[str], Sequence[str | Path]], *, output: Path) -> Iterator[str]:
    """A server for which `command` gets the address to listen on, host:port. The block gets its URL.

    The port was free a moment ago; when somebody else was faster, another one is tried.
    """
    for attempts_left in reversed(range(_PORT_ATTEMPTS)):
        address = f"127.0.0.1:{_free_port()}"
        with ExitStack() as stack:
            try:
                stack.enter_context(running(command(address), output=output, ready=partial(_accepts, address)))
            except NotStarted as error:
                if attempts_left and "address already in use" in error.outcome.output:
                    continue
                raise
            yield f"http://{address}"
            return


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def _accepts(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True
