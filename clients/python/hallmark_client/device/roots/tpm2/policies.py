"""Policy digests: what a TPM must find to be true before it opens a sealed object. Pure computation, all SHA-256.

Each class is one policy command. A digest begins as 32 zero bytes and is extended by every command in turn; the same
commands, in the same order, are sent to a policy session before TPM2_Unseal.

Source: TPM 2.0 Library 1.59, Part 1, 19.7 (enhanced authorization), and Part 3: 23.4 (PolicySecret), 23.7 (PolicyPCR),
23.9 (PolicyNV), 23.10 (PolicyCounterTimer), 23.16 (PolicyAuthValue), 23.22 (PolicyNvWritten).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TypeAlias

DIGEST_SIZE: Final = 32
EMPTY: Final = bytes(DIGEST_SIZE)

# In TPMS_TIME_INFO (Part 2, 10.11.1, 10.11.6): time (8 bytes), clock (8, milliseconds), resetCount (4), restartCount
# (4), safe (1).
_CLOCK_OFFSET: Final = 8
_SAFE_OFFSET: Final = 24
_SHA256: Final = 0x000B
_SELECT_BYTES: Final = 3  # PC Client Platform TPM Profile 1.05, 4.6: 24 registers


class _Command(IntEnum):
    """TPM_CC (Part 2, 6.5.2)."""

    POLICY_NV = 0x149
    POLICY_SECRET = 0x151
    POLICY_AUTH_VALUE = 0x16B
    POLICY_COUNTER_TIMER = 0x16D
    POLICY_PCR = 0x17F
    POLICY_NV_WRITTEN = 0x18F


class Operation(IntEnum):
    """TPM_EO (Part 2, 6.8)."""

    EQUAL = 0
    UNSIGNED_LESS = 5


@dataclass(frozen=True, slots=True)
class CounterIs:
    """The counter with this name stands exactly at this value. The name is a hash over handle, type and attributes."""

    name: bytes
    value: int

    def extend(self, digest: bytes) -> bytes:
        operands = _operands(self.value.to_bytes(8), 0, Operation.EQUAL)
        return _extended(digest, _Command.POLICY_NV, operands, self.name)


@dataclass(frozen=True, slots=True)
class ClockBefore:
    """The TPM's clock has not reached `deadline` (milliseconds), and is certain of itself.

    `safe` is asked for too: a TPM that lost power comes back with a clock that may stand up to 2^22 ms (70 minutes)
    behind what it showed before (Part 1, 36.3.2), so whoever pulls the plug every hour would never reach a deadline.
    """

    deadline: int

    def comparisons(self) -> tuple[tuple[bytes, int, Operation], ...]:
        """Operand, offset in TPMS_TIME_INFO, operation: one PolicyCounterTimer each."""
        before = (self.deadline.to_bytes(8), _CLOCK_OFFSET, Operation.UNSIGNED_LESS)
        return (before, (b"\x01", _SAFE_OFFSET, Operation.EQUAL))

    def extend(self, digest: bytes) -> bytes:
        for comparison in self.comparisons():
            digest = _extended(digest, _Command.POLICY_COUNTER_TIMER, _operands(*comparison))
        return digest


@dataclass(frozen=True, slots=True)
class Registers:
    """These PCRs of the SHA-256 bank have values with this digest: SHA-256 over all, in ascending order."""

    indices: tuple[int, ...]
    values_sha256: bytes

    def extend(self, digest: bytes) -> bytes:
        selected = sum(1 << index for index in self.indices).to_bytes(_SELECT_BYTES, "little")
        selection = (1).to_bytes(4) + _SHA256.to_bytes(2) + bytes([_SELECT_BYTES]) + selected
        return _extended(digest, _Command.POLICY_PCR, selection, self.values_sha256)


@dataclass(frozen=True, slots=True)
class Authorized:
    """Who asks knows the authorization value of the object."""

    def extend(self, digest: bytes) -> bytes:
        return _extended(digest, _Command.POLICY_AUTH_VALUE)


@dataclass(frozen=True, slots=True)
class UseCounted:
    """The use counter with this name (an NV index of type PIN_PASS) still has a use, and one is taken off."""

    name: bytes

    def extend(self, digest: bytes) -> bytes:
        without_reference = _extended(digest, _Command.POLICY_SECRET, self.name)
        return hashlib.sha256(without_reference).digest()


@dataclass(frozen=True, slots=True)
class NeverWritten:
    """The NV index that this is the policy of was never written: nobody can write it a second time."""

    def extend(self, digest: bytes) -> bytes:
        return _extended(digest, _Command.POLICY_NV_WRITTEN, b"\0")


PolicyStep: TypeAlias = CounterIs | ClockBefore | Registers | Authorized | UseCounted | NeverWritten


def digest_of(steps: Sequence[PolicyStep]) -> bytes:
    """What goes into an object's authPolicy."""
    digest = EMPTY
    for step in steps:
        digest = step.extend(digest)
    return digest


def _operands(operand: bytes, offset: int, operation: Operation) -> bytes:
    return hashlib.sha256(operand + offset.to_bytes(2) + operation.to_bytes(2)).digest()


def _extended(digest: bytes, command: _Command, *parts: bytes) -> bytes:
    return hashlib.sha256(digest + command.to_bytes(4) + b"".join(parts)).digest()
