"""CPU time and memory of processes on this machine, which may be shared: time on the clock is not what work cost."""

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class CpuSeconds:
    """Of a server: its own process, and its signer processes."""

    front: float
    signers: float

    def since(self, before: "CpuSeconds") -> "CpuSeconds":
        return CpuSeconds(self.front - before.front, self.signers - before.signers)


def cpu_of_server(pid: int | None) -> CpuSeconds | None:
    """None where it can not be told: not Linux, or a server that is elsewhere."""
    if pid is None:
        return None
    try:
        return CpuSeconds(_used(pid), sum(_used(child) for child in children_of(pid)))
    except (OSError, ValueError):
        return None


def resident_bytes(pid: int) -> int:
    """proc_pid_status(5); 0 where there is no such file."""
    with contextlib.suppress(OSError):
        found = re.search(r"^VmRSS:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
        if found is not None:
            return int(found[1]) * 1024
    return 0


def open_descriptors(pid: int) -> int:
    """0 where it can not be told."""
    with contextlib.suppress(OSError):
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    return 0


def _used(pid: int) -> float:
    """Seconds on a processor, of all threads that are there now (proc_pid_schedstat)."""
    spent = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            spent += int((task / "schedstat").read_text().split()[0])
        except FileNotFoundError:  # the thread has just ended
            continue
    return spent / 1e9


def children_of(pid: int) -> list[int]:
    """Raises OSError where it can not be told."""
    return [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]
