"""For tests and demos: the root of trust is this process's memory, and the vault a folder that goes with it."""

import shutil
import tempfile
import weakref
from pathlib import Path

from hallmark_client.device.roots.memory import MemoryRoot

from .device import DeviceBackend


class InMemoryEnclaveBackend(DeviceBackend):
    """Encrypted files lie in a temporary folder; what opens them is in memory. Both are gone with this object."""

    name = "in-memory"
    platform = "in-memory"

    def __init__(self, device_id: str = "test-device-0", device_model: str = "in-memory") -> None:
        folder = Path(tempfile.mkdtemp(prefix="hallmark-enclave-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        super().__init__(folder, MemoryRoot(), device_id=device_id, device_model=device_model)
        self.enclave_vendor = "in-memory"
