"""From one log to the next: an origin ends with an entry that names its successor, which begins by naming it back.

A log whose Ed25519 key changes goes on under another origin (witnesses know a log by that key). What holds both ends
together is two entries, each signed for by its own log:

1. `log.closed`, the last entry of the old log: {"successor":"<origin>","successor_vkeys":["<vkey>",...]}
2. `log.opened`, entry 0 of the new one: {"predecessor":"<origin>","predecessor_root":"<base64>",
   "predecessor_size":<n>,"predecessor_vkeys":["<vkey>",...]}

So whoever trusted the old vkeys may trust the new ones, and whoever finds the new log can tell where the old one ended.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hallmark_tlog.canonical import decode_hash
from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.entry import parse_entry
from hallmark_tlog.errors import FormatError, SuccessionError
from hallmark_tlog.proof import VerifiedEntry, verify_proof
from hallmark_tlog.vkey import VerifierKey, parse_vkey

CLOSED: Final = "log.closed"
OPENED: Final = "log.opened"
MAX_KEYS: Final = 16


@dataclass(frozen=True, slots=True)
class Statement:
    """An entry and its tlog-proof v1 file."""

    entry: bytes
    tlog_proof: bytes


@dataclass(frozen=True, slots=True)
class Succession:
    """It held: the log of `final` ended there, for ever, and the log of `origin` follows it.

    `vkeys` are those the old log vouched for as its successor's. `seen` is the checkpoint of the new log that the
    opening entry was proved against.
    """

    final: Checkpoint
    origin: str
    vkeys: tuple[VerifierKey, ...]
    seen: Checkpoint


@dataclass(frozen=True, slots=True)
class Closing:
    """What `log.closed` says."""

    successor: str
    vkeys: tuple[VerifierKey, ...]


@dataclass(frozen=True, slots=True)
class Opening:
    """What `log.opened` says."""

    predecessor: str
    size: int
    root: bytes
    vkeys: tuple[VerifierKey, ...]


def verify_succession(closing: Statement, opening: Statement, old_vkeys: Sequence[VerifierKey]) -> Succession:
    """Follow a log to its successor, trusting the old log's keys only.

    1. The closing entry is proved by the old keys, and it is the last one of its checkpoint.
    2. It names another origin, and keys of that name.
    3. The opening entry is proved by those keys, under that origin, and is entry 0.
    4. It names the old origin, the size and root of the closing entry's checkpoint, and every old key that signed it.
    Raises SuccessionError, and what `verify_proof` raises.
    """
    end = verify_proof(closing.tlog_proof, closing.entry, old_vkeys)
    final = end.checkpoint.checkpoint
    if end.index != final.size - 1:
        raise SuccessionError(f"entry {end.index} is not the last one of the log {final.origin!r}, size {final.size}")
    told = parse_closing(closing.entry)
    if told.successor == final.origin:
        raise SuccessionError(f"the log {final.origin!r} names itself as its successor")
    begin = verify_proof(opening.tlog_proof, opening.entry, told.vkeys, origin=told.successor)
    _check_opening(parse_opening(opening.entry), end, begin)
    return Succession(final, told.successor, told.vkeys, begin.checkpoint.checkpoint)


def _check_opening(told: Opening, end: VerifiedEntry, begin: VerifiedEntry) -> None:
    final = end.checkpoint.checkpoint
    if begin.index != 0:
        raise SuccessionError(f"a log that follows another begins by saying so; this is its entry {begin.index}")
    if told.predecessor != final.origin:
        raise SuccessionError(f"the successor says it follows {told.predecessor!r}, not {final.origin!r}")
    if (told.size, told.root) != (final.size, final.root):
        raise SuccessionError(
            f"the successor says that {final.origin!r} ended at size {told.size} with the root {told.root.hex()}; "
            f"its closing entry is proved at size {final.size} with the root {final.root.hex()}"
        )
    named = {(key.name, key.key_id) for key in told.vkeys}
    signed = {(key.name, key.key_id) for key in end.checkpoint.signers if key.name == final.origin}
    if not signed <= named:
        raise SuccessionError(f"the successor does not know every key that signed the end of {final.origin!r}")


def parse_closing(entry: bytes) -> Closing:
    """Raises SuccessionError."""
    details = _details(entry, CLOSED, {"successor", "successor_vkeys"})
    successor = _text(details["successor"])
    return Closing(successor, _vkeys(details["successor_vkeys"], successor))


def parse_opening(entry: bytes) -> Opening:
    """Raises SuccessionError."""
    names = {"predecessor", "predecessor_root", "predecessor_size", "predecessor_vkeys"}
    details = _details(entry, OPENED, names)
    predecessor, size = _text(details["predecessor"]), details["predecessor_size"]
    if type(size) is not int or size < 1:
        raise SuccessionError("the size of a predecessor is a positive number")
    try:
        root = decode_hash(_text(details["predecessor_root"]), what="the root of a predecessor")
    except FormatError as error:
        raise SuccessionError(str(error)) from error
    return Opening(predecessor, size, root, _vkeys(details["predecessor_vkeys"], predecessor))


def _details(data: bytes, event_type: str, names: set[str]) -> Mapping[str, Any]:
    try:
        entry = parse_entry(data)
    except FormatError as error:
        raise SuccessionError(f"this is not an entry of a log: {error}") from error
    if entry.event_type != event_type:
        raise SuccessionError(f"this entry is a {entry.event_type}, not a {event_type}")
    if set(entry.details) != names:
        raise SuccessionError(f"the details of {event_type} are {', '.join(sorted(names))}")
    return entry.details


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise SuccessionError("a name or root in a succession is text")
    return value


def _vkeys(lines: object, origin: str) -> tuple[VerifierKey, ...]:
    """All named like the log they sign for."""
    if not isinstance(lines, list) or not 1 <= len(lines) <= MAX_KEYS:
        raise SuccessionError(f"a succession names 1 to {MAX_KEYS} keys of a log")
    try:
        keys = tuple(parse_vkey(_text(line)) for line in lines)
    except FormatError as error:
        raise SuccessionError(str(error)) from error
    if any(key.name != origin for key in keys):
        raise SuccessionError(f"a key that is said to be of {origin!r} has another name")
    return keys
