"""A process that has imported everything and forks lives of a log: a start costs milliseconds instead of a second.

`Nursery` speaks to it by lines of JSON; the processes that it forked die with it.
"""

import contextlib
import gc
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from support.log_kill_load import Life, live

_TESTS = Path(__file__).parents[1]


class Nursery:
    """For the test. `with Nursery() as nursery:`"""

    def __enter__(self) -> Self:
        path = os.pathsep.join(filter(None, [str(_TESTS), os.environ.get("PYTHONPATH", "")]))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.log_kill_nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def start(self, life: Life) -> int:
        """The pid."""
        return int(self._ask({"start": asdict(life)}))

    def ended(self, pid: int, *, within_seconds: float = 0.0) -> int | None:
        """The exit status (a signal is negative); None while it lives."""
        status: int | None = self._ask({"wait": pid, "seconds": within_seconds})
        return status

    def kill(self, pid: int) -> None:
        """Returns when it is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        assert self.ended(pid, within_seconds=20) is not None

    def _ask(self, command: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def _start(life: Life) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        errors = os.open(f"{life.journal}.errors", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(errors, 2)
        live(life)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _wait(pid: int, seconds: float) -> int | None:
    deadline = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= deadline:
            return None
        time.sleep(0.002)


def _serve() -> None:
    """Until the test closes the pipe."""
    gc.freeze()  # what is imported is shared with every child
    alive: set[int] = set()
    try:
        for line in sys.stdin:
            match json.loads(line):
                case {"start": life}:
                    answer: int | None = _start(Life(**life))
                    assert answer is not None
                    alive.add(answer)
                case {"wait": pid, "seconds": seconds}:
                    answer = _wait(pid, seconds)
                    if answer is not None:
                        alive.discard(pid)
                case unknown:
                    raise ValueError(unknown)
            sys.stdout.write(f"{json.dumps(answer)}\n")
            sys.stdout.flush()
    finally:
        for pid in alive:
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    _serve()
