"""The socket that apps knock at: who may put one there, and who may reach it."""

import contextlib
import os
import socket
import stat
from pathlib import Path
from typing import Final

from hallmark_client.device.agent.errors import AgentUnavailable

_WAITING: Final = 128
_WRITABLE_BY_OTHERS: Final = 0o022


class Door:
    """A listening socket in a folder that only root and this user can write to.

    folder_mode: of a folder that is made (0700, or 0711 where apps run as other users). mode: of the socket: whoever
    may write to it may connect (unix(7)). Raises AgentUnavailable.
    """

    def __init__(self, path: Path, *, folder_mode: int, mode: int) -> None:
        self._path = path
        try:
            self.listener = self._listen(folder_mode, mode)
            found = path.stat(follow_symlinks=False)
        except OSError as error:
            why = error.strerror or str(error)
            raise AgentUnavailable(f"{path} can not be listened on: {why}; choose another socket") from None
        self._inode: Final = (found.st_dev, found.st_ino)

    def close(self) -> None:
        """The socket's name goes too, if it is still ours."""
        self.listener.close()
        with contextlib.suppress(OSError):
            found = self._path.stat(follow_symlinks=False)
            if (found.st_dev, found.st_ino) == self._inode:
                self._path.unlink()

    def _listen(self, folder_mode: int, mode: int) -> socket.socket:
        folder = self._path.parent
        if not folder.is_dir():
            folder.mkdir(parents=True, mode=0o700)
            folder.chmod(folder_mode)
        self._check_folder(folder.stat())
        if _is_alive(self._path):
            raise AgentUnavailable(f"an agent listens on {self._path} already: choose another socket")
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            os.fchmod(listener.fileno(), 0o600)  # Linux makes the name with it; so it never is open to more
            listener.bind(os.fspath(self._path))
            self._path.chmod(mode)
            listener.listen(_WAITING)
        except BaseException:
            listener.close()
            raise
        return listener

    def _check_folder(self, facts: os.stat_result) -> None:
        if facts.st_uid not in (0, os.geteuid()) or stat.S_IMODE(facts.st_mode) & _WRITABLE_BY_OTHERS:
            raise AgentUnavailable(
                f"others can put a socket into {self._path.parent}: give it to this user, and chmod go-w it"
            )


def _is_alive(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(os.fspath(path))
        except OSError:
            return False
        return True
