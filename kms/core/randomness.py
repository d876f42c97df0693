"""Randomness comes in as an argument; this is the only module of the service that asks the system for it."""

import os
from typing import Protocol


class Randomness(Protocol):
    """Source of unpredictable bytes, fit for challenges and identifiers."""

    def bytes(self, count: int) -> bytes: ...


class SystemRandomness:
    """The kernel's generator."""

    def bytes(self, count: int) -> bytes:
        return os.urandom(count)
