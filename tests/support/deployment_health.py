"""Whether a server that was maltreated is well: it signs, and has not grown."""

import time
from typing import Final

from kms.cli.bench.cpu import children_of, open_descriptors, resident_bytes
from support.deployment_recovery import until_it_signs
from support.service import RunningService

MEMORY_MIB: Final = 64
"""By how much a server may grow in a short test: allocators, caches, connections."""
DESCRIPTORS: Final = 12
_SETTLE_SECONDS: Final = 15.0
_MIB: Final = 1 << 20


class Health:
    """Of one server, from here on."""

    def __init__(self, service: RunningService, key: str) -> None:
        assert service.process is not None
        self._service = service
        self._key = key
        self._pid = service.process.pid
        until_it_signs(service, key, since=time.monotonic())
        self._children = children_of(self._pid)
        self._bytes = self._resident()
        self._descriptors = open_descriptors(self._pid)

    def check_signing(self) -> float:
        """Seconds until it signs."""
        return until_it_signs(self._service, self._key, since=time.monotonic())

    def check(self, *, memory_mib: int = MEMORY_MIB) -> tuple[float, int]:
        """Seconds until it signs, and MiB that it has grown by. Raises AssertionError: by more than `memory_mib`."""
        assert self._service.process is not None
        assert self._service.process.poll() is None, "the server has ended"
        seconds = self.check_signing()
        assert children_of(self._pid) == self._children, "a signer has ended"
        grown = (self._resident() - self._bytes) // _MIB
        assert grown < memory_mib, f"it grew by {grown} MiB"
        deadline = time.monotonic() + _SETTLE_SECONDS
        while (left := open_descriptors(self._pid) - self._descriptors) > DESCRIPTORS:
            assert time.monotonic() < deadline, f"{left} more descriptors are open than before"
            time.sleep(0.1)
        return seconds, grown

    def _resident(self) -> int:
        return resident_bytes(self._pid) + sum(resident_bytes(child) for child in self._children)
