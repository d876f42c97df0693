"""What auditors ask for, put together: sessions and calls as they were seen, the report on coverage."""

from collections.abc import Callable
from datetime import timedelta

from kms.audit.flushing import Flusher, Kept
from kms.audit.reading import AuditReader
from kms.audit.recorder import Recorder
from kms.audit.rpc import AuditServicer
from kms.audit.seen_calls import SeenCallsReader
from kms.audit.signature_counter import SignatureCounter
from kms.config_audit import AuditConfig
from kms.core.clock import Clock
from kms.core.database import Database
from kms.core.randomness import Randomness
from kms.server.audit_sessions import SessionObserver
from kms.server.local_ca import LOCAL_TENANT


class Audit:
    """Of one server. `observer` is told of every call; `run` writes what it counted, `close` writes the rest.

    `log_origin`: whose signatures are counted; None at an edge, which leaves that, and removing, to the replicas.
    """

    def __init__(
        self,
        config: AuditConfig,
        *,
        database: Database,
        clock: Clock,
        randomness: Randomness,
        log_origin: str | None,
        on_dropped: Callable[[int], None] | None = None,
    ) -> None:
        recorder = Recorder(randomness, full_addresses=config.full_addresses)
        self.observer = SessionObserver(recorder, clock)
        self.servicer = AuditServicer(AuditReader(database), LOCAL_TENANT)
        self.seen_calls = SeenCallsReader(database)
        self._flusher = Flusher(
            recorder=recorder,
            database=database,
            signatures=None if log_origin is None else SignatureCounter(database, log_origin),
            clock=clock,
            kept=Kept(
                sessions=timedelta(days=config.session_days),
                signatures=timedelta(days=config.signature_days),
                sessions_max=config.sessions_max,
            ),
            interval_seconds=config.flush_seconds,
            on_dropped=on_dropped,
        )

    async def run(self) -> None:
        """Until cancelled."""
        await self._flusher.run()

    async def close(self) -> None:
        """After the last call, before the database closes."""
        await self._flusher.flush()
