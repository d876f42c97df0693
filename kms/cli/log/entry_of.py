"""Which entry a person means: a number, an event key, a SHA-256, a file."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kms.cli.failure import not_so, not_usable
from kms.cli.log.matching import read_entry
from kms.cli.log.progress import progress
from kms.cli.output import read_file

if TYPE_CHECKING:
    from hallmark_tlog.locate import PublicLog

MAX_ENTRY_BYTES: Final = 0xFFFF

_INDEX: Final = re.compile(r"[0-9]{1,18}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_EVENT_KEY: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def find_entry(log: "PublicLog", wanted: str) -> int:
    """The index. Event keys and hashes of entries take reading the log up to the entry. Raises CommandError."""
    if _INDEX.fullmatch(wanted):
        return int(wanted)
    found = _search(log, wanted)
    if found is None:
        raise not_so(
            "ENTRY_MISSING",
            f"the log of {log.checkpoint.size} entries has none for {wanted}",
            "What was recorded a moment ago is published with the next checkpoint: try again",
        )
    return found


def _search(log: "PublicLog", wanted: str) -> int | None:
    from hallmark_tlog.merkle import leaf_hash

    show = progress("searched")
    if _EVENT_KEY.fullmatch(wanted):
        return log.index_where(_has_event_key(wanted), show)
    if _SHA256.fullmatch(wanted):
        digest = bytes.fromhex(wanted)
        by_leaf = log.index_of_leaf(digest, show)
        return by_leaf if by_leaf is not None else log.index_where(_has_digest(digest), show)
    if Path(wanted).is_file():
        return log.index_of_leaf(leaf_hash(read_file(Path(wanted), MAX_ENTRY_BYTES)), show)
    raise not_usable(
        "ENTRY_UNCLEAR",
        f"{wanted} is no entry",
        "Give a number, an event key (UUID), the SHA-256 of an entry or of its leaf, or a file with the entry",
    )


def _has_event_key(event_key: str) -> Callable[[bytes], bool]:
    needle = event_key.encode()

    def holds(data: bytes) -> bool:
        # Most entries do not even contain it: only those that do are parsed.
        return needle in data and (read_entry(data) or {}).get("id") == event_key

    return holds


def _has_digest(digest: bytes) -> Callable[[bytes], bool]:
    return lambda data: hashlib.sha256(data).digest() == digest
