"""What the clock decides: who was not reached, what has lapsed, who is overdue. Each decision is made once, whichever
replica makes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy.engine import Connection

from kms.core.clock import format_time
from kms.events.appending import Events
from kms.log.model import LogEntry
from kms.removal import overdue_store, store
from kms.removal.model import Removal, RemovalState


@dataclass(slots=True, kw_only=True)
class Deadlines:
    events: Events

    async def check_due(self, now: datetime) -> int:
        """Decides what is due; gives how many were looked at. Call it again until that is none."""
        due = await self.events.database.read(lambda tx: store.due(tx, now))
        if due:
            await self.events.database.write(partial(self._decide, due, now))
        return len(due)

    def _decide(self, due: Sequence[Removal], now: datetime, tx: Connection) -> None:
        overdue = []
        for each in due:
            state = each.state_at_deadline(now) if now >= each.deadline else RemovalState.UNREACHABLE
            if store.decide(tx, each, state, now) and state is RemovalState.OVERDUE:
                overdue.append(each)
        if not overdue:
            return
        self.events.log.record_many(tx, [self._entry(each, now) for each in overdue])
        for device in sorted({each.device for each in overdue}, key=str):
            overdue_store.note(tx, device)

    def _entry(self, late: Removal, now: datetime) -> LogEntry:
        details = {"deadline": format_time(late.deadline)}
        return LogEntry(self.events.new_id(now), "removal.overdue", late.name.tenant, str(late.name), now, details)
