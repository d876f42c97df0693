"""The hash chain of a vault's acts, in the vault's own SQLite file."""

import sqlite3
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from hallmark_client.device.audit.errors import AuditBroken
from hallmark_client.device.audit.following import Anchor, follow, pruned_facts
from hallmark_client.device.audit.record import NO_ENTRIES, AuditAct, AuditEntry, AuditHead, AuditRecord, entry_hash
from hallmark_events.trust import LogEvidence, LogTrust

_TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS audit_entry
       (number INTEGER PRIMARY KEY, line BLOB NOT NULL, hash BLOB NOT NULL) STRICT""",
    """CREATE TABLE IF NOT EXISTS audit_start
       (only INTEGER PRIMARY KEY CHECK (only = 1), size INTEGER NOT NULL, head BLOB NOT NULL) STRICT""",
    """CREATE TABLE IF NOT EXISTS audit_anchor
       (size INTEGER PRIMARY KEY, head BLOB NOT NULL, entry BLOB NOT NULL, tlog_proof BLOB NOT NULL) STRICT""",
)
_PAGE: Final = 1_000


def create_tables(connection: sqlite3.Connection) -> None:
    """Those that are not there yet; begins and ends no transaction."""
    for table in _TABLES:
        connection.execute(table)


class AuditChain:
    """Works on one connection and holds nothing of its own, so a transaction that is rolled back takes its entries
    with it. Writing methods belong inside a transaction of the caller, who commits; the caller also sees to it that one
    thread at a time uses the connection. sqlite3.Error passes through.

        connection.execute("BEGIN IMMEDIATE")
        head = AuditChain(connection).append(AuditRecord(time=..., boot_seconds=..., act=AuditAct.PUT, ...))
        connection.execute("COMMIT")
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def append(self, record: AuditRecord) -> AuditHead:
        """The head after it."""
        return self.append_all((record,))

    def append_all(self, records: Iterable[AuditRecord]) -> AuditHead:
        """In this order; the head after the last of them."""
        self._check_transaction()
        head, rows = self.head(), []
        for record in records:
            line = AuditEntry(number=head.size + 1, previous=head.head, record=record).line()
            head = AuditHead(size=head.size + 1, head=entry_hash(line))
            rows.append((head.size, line, head.head))
        self._connection.executemany("INSERT INTO audit_entry VALUES (?, ?, ?)", rows)
        return head

    def head(self) -> AuditHead:
        """As it was written: `verify` recomputes it."""
        row = self._connection.execute("SELECT number, hash FROM audit_entry ORDER BY number DESC LIMIT 1").fetchone()
        return self.start() if row is None else AuditHead(size=row[0], head=row[1])

    def start(self) -> AuditHead:
        """Where the kept entries begin: after the head that the last pruning left behind."""
        row = self._connection.execute("SELECT size, head FROM audit_start").fetchone()
        return NO_ENTRIES if row is None else AuditHead(size=row[0], head=row[1])

    def entries(self, after: int = 0, limit: int = _PAGE) -> tuple[AuditEntry, ...]:
        """Those with a number above `after`, oldest first. Raises AuditBroken for one that cannot be read."""
        return tuple(AuditEntry.parse(line, number) for number, line, _ in self._page(after, limit))

    def lines(self, after: int = 0) -> Iterator[bytes]:
        """Those with a number above `after`, as written. Read in pages: entries may be added meanwhile."""
        while page := self._page(after, _PAGE):
            yield from (line for _, line, _ in page)
            after = page[-1][0]

    def anchors(self) -> tuple[Anchor, ...]:
        """Oldest first."""
        rows = self._connection.execute("SELECT size, head, entry, tlog_proof FROM audit_anchor ORDER BY size")
        return tuple(
            Anchor(at=AuditHead(size=size, head=head), evidence=LogEvidence(entry, tlog_proof))
            for size, head, entry, tlog_proof in rows
        )

    def remember_anchor(self, at: AuditHead, evidence: LogEvidence, *, log: LogTrust | None = None) -> Anchor:
        """`at` is in the transparency log: from now on the chain must lead to it. With `log` the proof is checked.

        Raises AuditBroken for a head that is not of this chain, or a proof that does not hold.
        """
        self._check_transaction()
        anchor = Anchor(at=at, evidence=evidence)
        if self._at(at.size) != at:
            raise AuditBroken(at.size, f"the anchored head is not that of entry {at.size} here")
        if log is not None:
            anchor.check(log)
        row = (at.size, at.head, evidence.entry, evidence.tlog_proof)
        self._connection.execute("INSERT OR REPLACE INTO audit_anchor VALUES (?, ?, ?, ?)", row)
        return anchor

    def verify(self, from_head: AuditHead | None = None, *, log: LogTrust | None = None) -> AuditHead:
        """Recomputes everything, and returns the head. The chain must lead to every anchor, and through `from_head`: a
        head that the caller has seen before. With `log` the proof of every anchor is checked too. Raises AuditBroken.
        """
        start, anchors = self.start(), self.anchors()
        if start != NO_ENTRIES and start not in [anchor.at for anchor in anchors]:
            raise AuditBroken(start.size, f"the entries up to {start.size} are missing, and no anchor stands for them")
        if log is not None:
            for anchor in anchors:
                anchor.check(log)
        seen = () if from_head is None else (from_head,)
        return follow(start, self._checked(start.size), through=(*(anchor.at for anchor in anchors), *seen))

    def prune(self, *, keep: int, time: datetime, boot_seconds: int, caller: str = "") -> AuditHead | None:
        """Drops the entries up to the latest anchor that leaves at least `keep` of them, and writes down that it did.
        That anchor is the new start, which is returned; None where no anchor stands there. What is dropped is verified
        first: a broken chain is not made good by cutting. Raises AuditBroken.
        """
        self._check_transaction()
        start, size = self.start(), self.head().size
        fitting = [anchor.at for anchor in self.anchors() if start.size < anchor.at.size <= size - keep]
        if keep < 0 or not fitting:
            return None
        self.verify()
        cut = fitting[-1]
        facts = pruned_facts(cut)
        self.append(AuditRecord(time=time, boot_seconds=boot_seconds, act=AuditAct.PRUNED, caller=caller, facts=facts))
        self._connection.execute("DELETE FROM audit_entry WHERE number <= ?", (cut.size,))
        self._connection.execute("DELETE FROM audit_anchor WHERE size < ?", (cut.size,))
        self._connection.execute("INSERT OR REPLACE INTO audit_start VALUES (1, ?, ?)", (cut.size, cut.head))
        return cut

    def _checked(self, after: int) -> Iterator[bytes]:
        """As `lines`; each row has the number that follows, and the hash of its line."""
        while page := self._page(after, _PAGE):
            for number, line, kept in page:
                after += 1
                if number != after or kept != entry_hash(line):
                    raise AuditBroken(after, f"entry {after} is missing, or not what its hash says")
                yield line

    def _page(self, after: int, limit: int) -> list[tuple[int, bytes, bytes]]:
        query = "SELECT number, line, hash FROM audit_entry WHERE number > ? ORDER BY number LIMIT ?"
        return self._connection.execute(query, (after, limit)).fetchall()

    def _at(self, size: int) -> AuditHead | None:
        row = self._connection.execute("SELECT hash FROM audit_entry WHERE number = ?", (size,)).fetchone()
        if row is not None:
            return AuditHead(size=size, head=row[0])
        start = self.start()
        return start if start.size == size else None

    def _check_transaction(self) -> None:
        if not self._connection.in_transaction:
            raise RuntimeError("the audit chain is written inside a transaction of its caller")
