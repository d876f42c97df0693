"""A software TPM (swtpm) for roots of trust through tpm2-pytss: it can lose power, be cleared, and go away."""

import contextlib
import importlib.util
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest

from support.real_tpm import Tpm, needs_real_tpm, running_tpm

needs_tpm_driver = pytest.mark.skipif(
    importlib.util.find_spec("tpm2_pytss") is None, reason="tpm2-pytss is not installed: scripts/install_tpm.sh"
)
NEEDS_SWTPM = (needs_real_tpm, needs_tpm_driver)


class SoftwareTpm(Tpm):
    """tcti: how the TSS reaches it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.tcti = self.environment["TPM2TOOLS_TCTI"]
        self._running = contextlib.ExitStack()

    def start(self) -> None:
        self.process = self._running.enter_context(running_tpm(self.folder)).process
        deadline = monotonic() + 10
        while not self._answers() and monotonic() < deadline:
            sleep(0.02)

    def cut_power(self) -> None:
        """Without TPM2_Shutdown."""
        self._running.close()
        for name in ("server", "server.ctrl"):
            (self.folder / name).unlink(missing_ok=True)

    def shut_down(self) -> None:
        """As an operating system does."""
        self.run("tpm2_shutdown", "-c")
        self.cut_power()

    def _answers(self) -> bool:
        """Its sockets are there a moment before it listens."""
        try:
            for name in ("server", "server.ctrl"):
                with socket.socket(socket.AF_UNIX) as found:
                    found.connect(str(self.folder / name))
        except OSError:
            return False
        return True

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        """It takes commands, and answers none."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def handles(self, kind: str) -> str:
        """kind: transient, loaded-session, nv-index, persistent. What tpm2_getcap prints: nothing where there is none."""
        command = ["tpm2_getcap", f"handles-{kind}"]
        done = subprocess.run(command, env=self.environment, check=True, capture_output=True, timeout=30)
        return done.stdout.decode()


@contextlib.contextmanager
def running_software_tpm(folder: Path) -> Iterator[SoftwareTpm]:
    tpm = SoftwareTpm(folder)
    tpm.start()
    try:
        yield tpm
    finally:
        tpm.cut_power()
