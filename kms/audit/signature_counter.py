"""Counts signatures by algorithm and hour from the log's own entries (signature.created), behind the index of entries:
what is in the log is what was given out (kms.keys.signing), so the sums are the truth, a few seconds late.

Every replica does it; a compare-and-set on the place in the log keeps them from counting anything twice.
"""

import functools
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy.engine import Connection

from kms.audit import signature_store
from kms.audit.model import UNKNOWN
from kms.audit.other_tables import indexed_size, key_algorithm, signatures_by_hour
from kms.core.database import Database
from kms.core.errors import InvalidArgument
from kms.core.names import KeyName, KeyVersionName

ENTRIES_AT_ONCE: Final = 20_000
_KEYS_MAX: Final = 4096

_Found = Counter[tuple[str, datetime, str]]


@dataclass(slots=True)
class SignatureCounter:
    """`origin`: of the log that is written now. A log that follows another begins from its own first entry."""

    database: Database
    origin: str
    _algorithms: dict[KeyName, str] = field(default_factory=dict)

    async def count(self) -> None:
        """Everything that is indexed by now. Raises ServiceError."""
        while True:
            before, size, found = await self.database.read(self._look)
            if size <= before:
                return
            add = functools.partial(signature_store.add, origin=self.origin, before=before, size=size, found=found)
            if not await self.database.write(add):
                return  # another replica is at it

    def _look(self, tx: Connection) -> tuple[int, int, _Found]:
        before = signature_store.place(tx, self.origin)
        size = min(indexed_size(tx), before + ENTRIES_AT_ONCE)
        found = _Found()
        if size > before:
            for tenant, subject, hour, count in signatures_by_hour(tx, before, size):
                found[tenant, hour, self._algorithm(tx, subject)] += count
        return before, size, found

    def _algorithm(self, tx: Connection, subject: str) -> str:
        """Of a key, which never changes it."""
        try:
            name = KeyVersionName.parse(subject).key_name
        except InvalidArgument:
            return UNKNOWN
        if name not in self._algorithms:
            if len(self._algorithms) >= _KEYS_MAX:
                self._algorithms.clear()
            self._algorithms[name] = key_algorithm(tx, name) or UNKNOWN
        return self._algorithms[name]
