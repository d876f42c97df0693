"""Finding published entries: by index or event key, and by what the index of entries holds (indexer)."""

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.engine import Connection

from kms.core.database import Database, from_microseconds, to_microseconds
from kms.core.errors import InvalidArgument, Reason
from kms.log import store
from kms.log.entries import entry_store, search_store
from kms.log.entries.search_store import Filter, Place
from kms.log.model import StoredEntry, entry_not_found
from kms.log.service import TransparencyLog

PAGE_SIZE_DEFAULT: Final = 64
PAGE_SIZE_MAX: Final = 256
BYTES_MAX: Final = 1024 * 1024
"""Of entries in one answer: far below what gRPC clients take (4 MiB)."""

_TOKEN_VERSION: Final = b"\x01"
_MARK_BYTES: Final = 16
_TOKEN_BYTES: Final = 1 + _MARK_BYTES + 8 + 8


@dataclass(frozen=True, slots=True)
class EntryPage:
    """`end`: where the next page begins; None after the last one. Entries below `indexed_size` were looked at."""

    entries: tuple[StoredEntry, ...]
    end: Place | None
    indexed_size: int


@dataclass(frozen=True, slots=True)
class EntryFinder:
    database: Database
    log: TransparencyLog

    async def get(self, entry: int | str) -> StoredEntry:
        """By index or event key, whoever's it is: the public files show all of them. Raises NotFound."""
        published = await self.log.checkpoint()
        return await self.database.read(lambda tx: published_entry(tx, entry, published.head.size))

    async def list(self, wanted: Filter, after: Place | None, *, limit: int) -> EntryPage:
        """A page of one tenant's entries. It may be short, also empty, and have another one after it."""
        return await self.database.read(lambda tx: _page(tx, wanted, after, limit))


def published_entry(tx: Connection, entry: int | str, size: int) -> StoredEntry:
    """Raises NotFound/LOG_ENTRY_NOT_FOUND for what is not among the first `size` entries."""
    index = store.find_index(tx, entry) if isinstance(entry, str) else entry
    found = store.read_entries(tx, index, index + 1) if index is not None and 0 <= index < size else []
    if not found:
        raise entry_not_found(f"entry {entry}")
    return found[0]


def _page(tx: Connection, wanted: Filter, after: Place | None, limit: int) -> EntryPage:
    size = search_store.indexed_size(tx)
    found = search_store.find(tx, wanted, after, limit)
    picked = entry_store.read_picked(tx, [place.index for place in found.places], bytes_max=BYTES_MAX)
    end = found.end if len(picked) == len(found.places) else found.places[len(picked) - 1]
    # The index is a hint, the entry says whose it is.
    entries = tuple(entry for entry in picked if json.loads(entry.data)["tenant"] == wanted.tenant)
    return EntryPage(entries, end, size)


def page_size(given: int) -> int:
    """Raises InvalidArgument."""
    if not 0 <= given <= PAGE_SIZE_MAX:
        raise InvalidArgument(Reason.FIELD_INVALID, f"page_size must be 0 to {PAGE_SIZE_MAX}", field="page_size")
    return given or PAGE_SIZE_DEFAULT


def page_token(wanted: Filter, end: Place | None) -> str:
    """Opaque: version (1 byte) || mark of the filter (16) || microseconds (8) || index (8), in base64url.

    A token is a place in the list of one filter and gives no right: another caller's filter names another tenant.
    """
    if end is None:
        return ""
    place = to_microseconds(end.event_time).to_bytes(8, "big", signed=True) + end.index.to_bytes(8, "big")
    return base64.urlsafe_b64encode(_TOKEN_VERSION + _mark(wanted) + place).decode()


def read_page_token(wanted: Filter, token: str) -> Place | None:
    """None for the first page. Raises InvalidArgument/PAGE_TOKEN_INVALID."""
    if not token:
        return None
    try:
        data = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
        if len(data) != _TOKEN_BYTES or not data.startswith(_TOKEN_VERSION + _mark(wanted)):
            raise ValueError
        moment = from_microseconds(int.from_bytes(data[-16:-8], "big", signed=True))
        return Place(moment, int.from_bytes(data[-8:], "big") & (2**63 - 1))
    except (binascii.Error, UnicodeError, ValueError, OverflowError):
        raise InvalidArgument(
            Reason.PAGE_TOKEN_INVALID,
            "this page_token was not given out for this parent and filter; begin without one",
            field="page_token",
        ) from None


def _mark(wanted: Filter) -> bytes:
    parts = [
        wanted.tenant,
        wanted.subject,
        wanted.below,
        wanted.event_type,
        _number(wanted.start_time),
        _number(wanted.end_time),
        wanted.oldest_first,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).digest()[:_MARK_BYTES]


def _number(moment: datetime | None) -> int | None:
    return None if moment is None else to_microseconds(moment)
