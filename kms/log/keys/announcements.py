"""What the log says about itself, as entries of its own: new keys, retired keys, its end and its beginning.

Their event keys are made from what they say, so that each is said once, whoever says it and however often it is tried.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from hallmark_tlog import succession
from hallmark_tlog.canonical import encode_base64
from kms.core.canonical import Json, canonical_json
from kms.core.clock import format_time
from kms.log.keys.keys import KeyOfLog
from kms.log.model import LogEntry, TreeHead

KEY_ADDED: Final = "log.key_added"
KEY_RETIRED: Final = "log.key_retired"
OPENED_AFTER_LOSS: Final = "log.opened_after_loss"
_TENANT: Final = "system"
_SUBJECT: Final = "log"


def key_added(key: KeyOfLog, *, before: KeyOfLog, retire_time: datetime, now: datetime) -> LogEntry:
    """`key` signs from the next checkpoint on, beside `before`, which stops at `retire_time`."""
    details: dict[str, Json] = {
        **_facts(key),
        "replaces": str(before.verifier),
        "replaced_until": format_time(retire_time),
    }
    return _entry(KEY_ADDED, {"origin": key.origin, "number": key.number}, details, now)


def key_retired(key: KeyOfLog, now: datetime) -> LogEntry:
    """`key` signs no checkpoint that covers this entry, nor any later one."""
    return _entry(KEY_RETIRED, {"origin": key.origin, "number": key.number}, _facts(key), now)


def closed(*, size: int, successor: str, vkeys: Sequence[str], now: datetime) -> LogEntry:
    """The last entry of a log. `size`: of the tree when it was decided."""
    details: dict[str, Json] = {"successor": successor, "successor_vkeys": list(vkeys)}
    return _entry(succession.CLOSED, {"successor": successor, "size": size}, details, now)


def opened(*, predecessor: str, final: TreeHead, vkeys: Sequence[str], kept: int | None, now: datetime) -> LogEntry:
    """The first entry of a log that follows another.

    `kept`: None for a predecessor that was closed; else how many of its entries the service still holds, after the
    database was set back.
    """
    details: dict[str, Json] = {
        "predecessor": predecessor,
        "predecessor_vkeys": list(vkeys),
        "predecessor_size": final.size,
        "predecessor_root": encode_base64(final.root),
    }
    what: dict[str, Json] = {"predecessor": predecessor, "size": final.size}
    if kept is None:
        return _entry(succession.OPENED, what, details, now)
    return _entry(OPENED_AFTER_LOSS, what, {**details, "predecessor_kept": kept}, now)


def _facts(key: KeyOfLog) -> dict[str, Json]:
    return {"algorithm": key.algorithm, "number": key.number, "origin": key.origin, "vkey": str(key.verifier)}


def _entry(event_type: str, what: Mapping[str, Json], details: Mapping[str, Json], now: datetime) -> LogEntry:
    return LogEntry(_event_key(event_type, what), event_type, _TENANT, _SUBJECT, now, details)


def _event_key(event_type: str, what: Mapping[str, Json]) -> str:
    """A UUIDv8 (RFC 9562, section 5.8) over what is said."""
    digest = hashlib.sha256(canonical_json({"type": event_type, **what})).digest()
    value = int.from_bytes(digest[:16], "big")
    value = value & ~(0xF << 76) | 8 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
