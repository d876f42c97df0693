"""Every transaction of the vault, with the audit entries that belong into it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from types import MappingProxyType
from typing import Final

from hallmark_client.device.audit import (
    AuditAct,
    AuditChain,
    AuditOutcome,
    AuditRecord,
    BufferedAudit,
    CountedDenials,
)
from hallmark_client.device.model import Artifact, Caller
from hallmark_client.device.vault.index import Index
from hallmark_client.watch.clocks import DeviceClock

_NO_FACTS: Final[Mapping[str, str]] = MappingProxyType({})


class Ledger:
    """now: of the trusted-time floor where there is one; aware."""

    def __init__(self, index: Index, clock: DeviceClock, now: Callable[[], datetime] | None) -> None:
        self._index = index
        self._clock = clock
        self.now: Final = now or clock.rtc
        self.chain: Final = AuditChain(index.connection)
        self._reads = BufferedAudit(self._write_reads)
        self._denials = CountedDenials(index.lock, self.note, clock.boot_seconds)

    @contextmanager
    def transaction(self) -> Iterator[AuditChain]:
        """Durable after the block, or nothing of it. Reads that were not written yet come first: order is kept."""
        with self._index.lock, self._reads.taken() as reads, self._index.transaction():
            self.chain.append_all(reads)
            yield self.chain

    def record(
        self,
        act: AuditAct,
        *,
        artifact: Artifact | None = None,
        caller: Caller | None = None,
        outcome: AuditOutcome = AuditOutcome.DONE,
        clause: str = "",
        facts: Mapping[str, str] = _NO_FACTS,
    ) -> AuditRecord:
        return AuditRecord(
            time=self.now(),
            boot_seconds=int(self._clock.boot_seconds()),
            act=act,
            outcome=outcome,
            artifact_id=artifact.artifact_id if artifact else "",
            name=artifact.name if artifact else "",
            version=artifact.version if artifact else 0,
            caller=caller.application if caller else "",
            clause=clause,
            facts=facts,
        )

    def note(self, record: AuditRecord) -> None:
        """In a transaction of its own."""
        with self.transaction() as chain:
            chain.append(record)

    def note_denial(self, record: AuditRecord) -> None:
        """In a transaction of its own, or counted where the like was written a moment ago."""
        self._denials.note(record)

    def note_read(self, record: AuditRecord) -> None:
        """With others, at most 1 s or 256 reads later."""
        self._reads.add(record)

    def flush(self) -> None:
        """What was read, and how often was denied what was denied before."""
        self._denials.flush()
        self._reads.flush()

    def _write_reads(self) -> None:
        with self.transaction():
            pass
