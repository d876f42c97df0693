"""Boot event logs of the TCG, for TPMs (PCRs) and confidential guests (CCEL: runtime measurement registers).

Format: TCG PC Client Platform Firmware Profile 1.06, 10 (TCG_PCR_EVENT, TCG_EfiSpecIDEvent, TCG_PCR_EVENT2), little
endian. A log is not evidence by itself: it explains registers that a signed quote reports. `EventLog.replay` computes
what the registers must hold if the log is complete and in order; only the digests are measured, so `Event.data` proves
nothing until the reader has hashed it himself, as `EventLog.check_data` does where the profile says what is hashed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from hashlib import new as new_hash
from types import MappingProxyType
from typing import Final

from attestation.errors import EvidenceError
from attestation.reasons import Reason

MAX_LOG_BYTES: Final = 1024 * 1024
MAX_EVENTS: Final = 8192
MAX_ALGORITHMS: Final = 8

EV_NO_ACTION: Final = 3  # tells, extends nothing
EV_SEPARATOR: Final = 4
EV_EFI_VARIABLE_DRIVER_CONFIG: Final = 0x80000001
_DATA_HASHED: Final = frozenset(
    {EV_SEPARATOR, EV_EFI_VARIABLE_DRIVER_CONFIG}
)  # the digest is that of the data (10.4.1)

_SPEC_ID: Final = b"Spec ID Event03\0"
_STARTUP_LOCALITY: Final = b"StartupLocality\0"
_END_INDEX: Final = 0xFFFF_FFFF  # firmware tables are filled with 0xFF behind the last event


class HashId(IntEnum):
    """TPM_ALG_ID of the hash algorithms that registers are extended with (TPM 2.0 Part 2, 6.3)."""

    SHA1 = 0x0004
    SHA256 = 0x000B
    SHA384 = 0x000C
    SHA512 = 0x000D

    @property
    def hash_name(self) -> str:
        return self.name.lower()

    @property
    def size(self) -> int:
        """Octets of a digest."""
        return _SIZES[self]


_SIZES: Final = {HashId.SHA1: 20, HashId.SHA256: 32, HashId.SHA384: 48, HashId.SHA512: 64}


@dataclass(frozen=True, slots=True)
class Event:
    """One entry. `index` is the PCR; in a CCEL, 0 is the initial measurement, n + 1 is RTMR n. `digests` are pairs of
    TPM_ALG_ID and digest, as many as the log has algorithms.
    """

    index: int
    event_type: int
    digests: tuple[tuple[int, bytes], ...]
    data: bytes

    def digest(self, algorithm: HashId) -> bytes | None:
        return next((value for found, value in self.digests if found == algorithm), None)


@dataclass(frozen=True, slots=True)
class EventLog:
    """All events in order, without the first one that declares the algorithms. `algorithms` maps TPM_ALG_ID to octets;
    a log of the old format has SHA-1 only.
    """

    algorithms: Mapping[int, int]
    events: tuple[Event, ...]

    def replay(self, algorithm: HashId) -> Mapping[int, bytes]:
        """Final value of every register the log extends, by index. EvidenceError when the log lacks the algorithm.

        Registers begin as zeros; PCR 0 with the locality of TPM2_Startup where the log names one (PFP, 10.4.5.3).
        """
        if algorithm not in self.algorithms:
            raise EvidenceError(f"event log has no {algorithm.name} digests")
        registers: dict[int, bytes] = {}
        for event in self.events:
            if event.event_type == EV_NO_ACTION:
                if event.index == 0 and event.data.startswith(_STARTUP_LOCALITY) and 0 not in registers:
                    registers[0] = event.data[len(_STARTUP_LOCALITY) :][:1].rjust(algorithm.size, b"\0")
                continue
            digest = event.digest(algorithm)
            if digest is None:
                raise EvidenceError(f"event of register {event.index} has no {algorithm.name} digest")
            before = registers.get(event.index, bytes(algorithm.size))
            registers[event.index] = new_hash(algorithm.hash_name, before + digest).digest()
        return MappingProxyType(registers)

    def check_data(self, algorithm: HashId) -> None:
        """Separators and firmware variables tell what was measured; EvidenceError (EVENT_LOG_MISMATCH) where one tells
        something else. Events of other types measure what is not, or not only, in their data.
        """
        for event in self.events:
            if event.event_type not in _DATA_HASHED:
                continue
            if event.digest(algorithm) != new_hash(algorithm.hash_name, event.data).digest():
                detail = f"an event of register {event.index} tells other data than were measured"
                raise EvidenceError(detail, reason=Reason.EVENT_LOG_MISMATCH)


def parse_event_log(data: bytes) -> EventLog:
    """Read a log of at most 1 MiB and 8192 events, crypto-agile or old (SHA-1), with or without 0xFF or zero padding.

    Raises EvidenceError (MALFORMED) for anything else; bytes behind the last event must be padding.
    """
    if len(data) > MAX_LOG_BYTES:
        raise EvidenceError(f"event log of {len(data)} bytes, at most {MAX_LOG_BYTES}")
    reader = _Reader(data)
    first = _sha1_event(reader)
    if first.event_type == EV_NO_ACTION and first.data.startswith(_SPEC_ID):
        algorithms = _algorithms(first.data)
        return EventLog(algorithms, tuple(_events(reader, algorithms)))
    return EventLog({HashId.SHA1: HashId.SHA1.size}, (first, *_events(reader, None)))


class _Reader:
    """Takes bounded pieces from the front of the log."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.offset = 0

    def take(self, size: int) -> bytes:
        if size > len(self.data) - self.offset:
            raise EvidenceError("event log is cut short")
        self.offset += size
        return self.data[self.offset - size : self.offset]

    def number(self, octets: int) -> int:
        return int.from_bytes(self.take(octets), "little")

    def at_end(self) -> bool:
        """No bytes left, or nothing but padding. Zeros count only where an event would be all zeros."""
        head = self.data[self.offset : self.offset + 12]
        if not head:
            return True
        if head[:4] == _END_INDEX.to_bytes(4):
            padding = b"\xff"
        elif not any(head):
            padding = b"\0"
        else:
            return False
        if self.data.count(padding, self.offset) != len(self.data) - self.offset:
            raise EvidenceError("event log goes on behind its end")
        return True


def _events(reader: _Reader, algorithms: Mapping[int, int] | None) -> Iterator[Event]:
    for _ in range(MAX_EVENTS):
        if reader.at_end():
            return
        yield _sha1_event(reader) if algorithms is None else _agile_event(reader, algorithms)
    if not reader.at_end():
        raise EvidenceError(f"event log has more than {MAX_EVENTS} events")


def _sha1_event(reader: _Reader) -> Event:
    index, event_type = reader.number(4), reader.number(4)
    digest = reader.take(HashId.SHA1.size)
    return Event(index, event_type, ((HashId.SHA1, digest),), reader.take(reader.number(4)))


def _agile_event(reader: _Reader, algorithms: Mapping[int, int]) -> Event:
    index, event_type, count = reader.number(4), reader.number(4), reader.number(4)
    if count > len(algorithms):
        raise EvidenceError(f"event has {count} digests, the log {len(algorithms)} algorithms")
    digests: dict[int, bytes] = {}
    for _ in range(count):
        algorithm = reader.number(2)
        if algorithm not in algorithms or algorithm in digests:
            raise EvidenceError(f"event has a digest of algorithm {algorithm:#06x} too many")
        digests[algorithm] = reader.take(algorithms[algorithm])
    return Event(index, event_type, tuple(digests.items()), reader.take(reader.number(4)))


def _algorithms(spec_id: bytes) -> Mapping[int, int]:
    """TCG_EfiSpecIDEvent: digest sizes by algorithm. Known algorithms must have their own size."""
    reader = _Reader(spec_id)
    reader.take(len(_SPEC_ID) + 8)  # platform class, versions, size of UINTN
    count = reader.number(4)
    if not 1 <= count <= MAX_ALGORITHMS:
        raise EvidenceError(f"event log names {count} algorithms, 1 to {MAX_ALGORITHMS} are possible")
    found: dict[int, int] = {}
    for _ in range(count):
        algorithm, size = reader.number(2), reader.number(2)
        known = algorithm in HashId.__members__.values()
        if algorithm in found or not 0 < size <= 64 or (known and size != HashId(algorithm).size):
            raise EvidenceError(f"event log declares algorithm {algorithm:#06x} with {size} octets")
        found[algorithm] = size
    return MappingProxyType(found)
