"""The signer processes of a running service, by what the system says of its children."""

from contextlib import suppress
from pathlib import Path

from support.service import RunningService


def signer_pids(service: RunningService) -> list[int]:
    """Those that have begun to be signers; none while the service is down."""
    assert service.process is not None
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, IndexError, ValueError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == service.process.pid and b"hsm.pkcs11.worker" in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return sorted(found)
