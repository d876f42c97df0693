"""`hallmark` in a process that has its modules already.

Importing them is most of what a server's start costs, and the suite starts hundreds. The standard library's fork server
(multiprocessing) imports them once for each worker, in a process with one thread that does nothing else; each server is a
fork of it, with its own environment, folder and output, and runs the command line from there like any other. What is
started cold all the same: the demonstrations and measurements with all they start, the chaos runs, the signer processes.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path

MODULES = ["kms.cli.main", "kms.cli.serve", "kms.app.application", "kms.app.edge", "uvloop"]


class WarmProcess:
    """Like a subprocess.Popen of `hallmark arguments`, as far as tests use one."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        log: Path,
        output: Path | None = None,
    ) -> None:
        """`log` takes standard error, and standard output where that has no file of its own."""
        streams = (os.devnull, str(output or log), str(log))
        # Daemon: one that a test leaves behind ends with the suite.
        self._process = _context().Process(
            target=_run, args=(list(arguments), streams, dict(environment), str(folder)), daemon=True
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        """The exit status once it has ended, -N for a signal."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired("hallmark", timeout)
        return code

    def send_signal(self, number: int) -> None:
        """Nothing when it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


@cache
def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(MODULES)
    return context


def _run(arguments: list[str], streams: tuple[str, str, str], environment: dict[str, str], folder: str) -> None:
    """In the fork: everything that the fork server had of its own is replaced."""
    for number, file in enumerate(streams):
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT if number else os.O_RDONLY, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    from kms.cli.main import run

    sys.argv = ["hallmark", *arguments]
    sys.exit(run(arguments))
