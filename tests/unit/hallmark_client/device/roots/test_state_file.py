"""The lock of a root's file: one process at a time, and nobody waits for ever."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hallmark_client.device.errors import RootUnavailable
from hallmark_client.device.roots import state_file
from hallmark_client.device.roots.state_file import StateFile

_HOLDER = """
import sys, time
from pathlib import Path
from hallmark_client.device.roots.state_file import StateFile
with StateFile(Path(sys.argv[1]), max_bytes=10).locked():
    print("locked", flush=True)
    time.sleep(60)
"""


@contextmanager
def stopped_holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", _HOLDER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        holder.send_signal(signal.SIGSTOP)
        try:
            yield holder
        finally:
            holder.kill()


def test_a_stopped_process_is_not_waited_for_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_file, "LOCK_SECONDS", 0.3)
    file = StateFile(tmp_path / "root", max_bytes=10)
    with stopped_holder(tmp_path / "root") as holder:
        with (
            pytest.raises(RootUnavailable, match=r"root\.lock locked for 0\.3 s.*fuser.*then try again"),
            file.locked(),
        ):
            pytest.fail("two have the lock")
        holder.kill()
        holder.wait()
        with file.locked():
            file.write(b"mine")
    assert file.read() == b"mine"
    assert not _descriptors_of(tmp_path / "root.lock")


def test_who_comes_second_waits_for_the_first(tmp_path: Path) -> None:
    file, order = StateFile(tmp_path / "root", max_bytes=10), list[str]()

    def second() -> None:
        with file.locked():
            order.append("second")

    with file.locked():
        waiting = threading.Thread(target=second)
        waiting.start()
        waiting.join(0.2)
        order.append("first")
    waiting.join(10)
    assert order == ["first", "second"]


def _descriptors_of(path: Path) -> list[str]:
    """Of this process."""
    folder = Path("/proc/self/fd")
    return [each.name for each in folder.iterdir() if each.is_symlink() and each.readlink() == path]
