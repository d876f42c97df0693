"""Where a vault lies, and what keeps its keys."""

from .android import AndroidEnclaveBackend
from .base import EnclaveBackend
from .device import DeviceBackend
from .ios import iOSEnclaveBackend
from .memory import InMemoryEnclaveBackend
from .qsee import QSEEBackend

__all__ = [
    "AndroidEnclaveBackend",
    "DeviceBackend",
    "EnclaveBackend",
    "InMemoryEnclaveBackend",
    "QSEEBackend",
    "iOSEnclaveBackend",
]
