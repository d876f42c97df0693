"""A wire between the TSS and a software TPM that can be listened to, and cut."""

import contextlib
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from support.swtpm import SoftwareTpm


class Bus:
    """tcti: through the wire. heard: every piece that went over it, in both directions. Cut: connections end after so
    many more commands have reached the TPM, before the answer is given.
    """

    def __init__(self, folder: Path, tpm: SoftwareTpm) -> None:
        self.tcti = f"swtpm:path={folder}/server"
        self.heard: list[bytes] = []
        self._commands_left: int | None = None
        self._listeners = [self._listen(folder / name, tpm.folder / name) for name in ("server", "server.ctrl")]

    def cut_after(self, commands: int | None) -> None:
        self._commands_left = commands

    def close(self) -> None:
        for listener in self._listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _listen(self, here: Path, there: Path) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(here))
        listener.listen()
        threading.Thread(target=self._accept, args=(listener, there), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket, there: Path) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(str(there))
                counts = not there.name.endswith(".ctrl")
                threading.Thread(target=self._carry, args=(near, far, counts), daemon=True).start()

    def _carry(self, near: socket.socket, far: socket.socket, counts: bool) -> None:
        """One command, one answer, until one side hangs up."""
        with near, far, contextlib.suppress(OSError):
            while command := near.recv(65536):
                self.heard.append(command)
                far.sendall(command)
                answer = far.recv(65536)
                if counts and self._commands_left is not None:
                    if self._commands_left == 0:
                        return
                    self._commands_left -= 1
                self.heard.append(answer)
                near.sendall(answer)


@contextlib.contextmanager
def wired(tpm: SoftwareTpm) -> Iterator[Bus]:
    with tempfile.TemporaryDirectory(prefix="bus") as folder:
        bus = Bus(Path(folder), tpm)
        try:
            yield bus
        finally:
            bus.close()
