"""A chain in a file of its own, and anchors of a real log, for tests."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hallmark_client.device.audit import ANCHORED_EVENT, AuditAct, AuditChain, AuditHead, AuditRecord, create_tables
from hallmark_events.trust import LogEvidence
from unit.hallmark_events import events_world

START = datetime(2026, 11, 22, 10, tzinfo=UTC)
POLICY = events_world.POLICY


def record(number: int = 1, **others) -> AuditRecord:
    told = {
        "time": START + timedelta(seconds=number),
        "boot_seconds": number,
        "act": AuditAct.PUT,
        "name": f"model-{number}",
    }
    return AuditRecord(**{**told, **others})


def anchored_in_log(
    head: AuditHead, kind: str = ANCHORED_EVENT, *, size: int | None = None, named: str | None = None
) -> LogEvidence:
    details = {"size": size or head.size, "head": named or head.head.hex()}
    return events_world.logged(events_world.log_entry(kind, details))


class World:
    """One connection at a time, as a vault has; `again` is a restart."""

    def __init__(self, path: Path | str = ":memory:") -> None:
        self.path = path
        self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.connection.execute("PRAGMA synchronous = OFF")
        create_tables(self.connection)
        self.chain = AuditChain(self.connection)

    def again(self) -> "World":
        self.connection.close()
        return World(self.path)

    @contextmanager
    def transaction(self) -> Iterator[AuditChain]:
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield self.chain
            self.connection.execute("COMMIT")
        finally:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")

    def append(self, count: int = 1) -> AuditHead:
        with self.transaction() as chain:
            for _ in range(count):
                head = chain.append(record(chain.head().size + 1))
        return head

    def anchor(self, at: AuditHead | None = None, evidence: LogEvidence | None = None) -> AuditHead:
        head = at or self.chain.head()
        with self.transaction() as chain:
            chain.remember_anchor(head, evidence or LogEvidence(b"entry", b"proof"))
        return head

    def prune(self, keep: int = 0) -> AuditHead | None:
        with self.transaction() as chain:
            return chain.prune(keep=keep, time=START, boot_seconds=7)
