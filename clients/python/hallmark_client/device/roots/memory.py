"""A root of trust for tests: everything in this process's memory.

It has every power that a program can have by itself, labelled advisory, so that tests reach the rules above it without
a TPM. `MemoryRoot(root.state)` is the same root after a restart; `MemoryRoot()` is another one.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from hallmark_client.device.errors import LimitReached
from hallmark_client.device.model import Enforcement
from hallmark_client.system import System

from . import sealed
from .port import Limits, RootFacts, RootPower
from .software import SoftwareRoot

_POWERS: Final = (RootPower.SHRED, RootPower.MAX_USES, RootPower.NOT_AFTER)
FACTS: Final = RootFacts(
    name="memory",
    assurance=Enforcement.ADVISORY,
    powers=MappingProxyType(dict.fromkeys(_POWERS, Enforcement.ADVISORY)),
    detail="keys in the memory of this process, for tests",
    caveats=(
        "Everything is lost when the process ends.",
        "Whoever can read the memory of this process has every key.",
    ),
)


@dataclass(slots=True)
class Allowance:
    """What is left of the limits of one blob. until: seconds of System.monotonic."""

    uses: int | None
    until: float | None


@dataclass(slots=True)
class MemoryState:
    """What a chip would keep. Hand it to another MemoryRoot for a restart."""

    root: str
    epoch: int = 1
    keys: dict[int, bytearray] = field(default_factory=dict, repr=False)
    allowances: dict[bytes, Allowance] = field(default_factory=dict)


class MemoryKeys:
    def __init__(self, state: MemoryState, random_bytes: Callable[[int], bytes]) -> None:
        self._state = state
        self._random_bytes = random_bytes

    @property
    def root(self) -> str:
        return self._state.root

    def epoch(self) -> int:
        return self._state.epoch

    def key(self, epoch: int) -> bytearray:
        if epoch not in self._state.keys:
            self._state.keys[epoch] = bytearray(self._random_bytes(sealed.KEY_SIZE))
        return bytearray(self._state.keys[epoch])

    def advance(self, to: int) -> None:
        for passed in [epoch for epoch in self._state.keys if epoch < to]:
            sealed.wipe(self._state.keys.pop(passed))
        self._state.epoch = to

    def close(self) -> None:
        """The state stays: it is what survives a restart."""


class MemoryRoot(SoftwareRoot):
    def __init__(self, state: MemoryState | None = None, *, system: System | None = None) -> None:
        system = system or System()
        self.state: Final = state or MemoryState(root=system.random_bytes(16).hex())
        super().__init__(MemoryKeys(self.state, system.random_bytes), FACTS, system=system)

    def seal(self, secret: bytes | bytearray, *, epoch: int, label: bytes, limits: Limits | None = None) -> bytes:
        blob = super().seal(secret, epoch=epoch, label=label, limits=limits)
        if limits is not None:
            seconds = limits.not_after_seconds
            until = None if seconds is None else self._system.monotonic() + seconds
            self.state.allowances[_digest(blob)] = Allowance(uses=limits.max_uses, until=until)
        return blob

    def open(self, blob: bytes, *, epoch: int, label: bytes) -> bytearray:
        secret = super().open(blob, epoch=epoch, label=label)
        allowance = self.state.allowances.get(_digest(blob))
        if allowance is not None:
            try:
                self._spend(allowance)
            except LimitReached:
                sealed.wipe(secret)
                raise
        return secret

    def _spend(self, allowance: Allowance) -> None:
        if allowance.until is not None and self._system.monotonic() >= allowance.until:
            raise LimitReached(RootPower.NOT_AFTER, "the time for which this was sealed is over")
        if allowance.uses == 0:
            raise LimitReached(RootPower.MAX_USES, "this was opened as often as it was sealed for")
        if allowance.uses is not None:
            allowance.uses -= 1


def _digest(blob: bytes) -> bytes:
    return hashlib.sha256(blob).digest()
