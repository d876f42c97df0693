"""What the event service tells of deletion commands: handed over, and applied (kms.events.ports)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from kms.core.database import Database
from kms.core.names import ChildName
from kms.events.ports import Delivery
from kms.removal import store


@dataclass(slots=True)
class RemovalObserver:
    """DeliveryObserver and AcknowledgementObserver. Being told again changes nothing."""

    database: Database

    async def delivered(self, deliveries: Sequence[Delivery], now: datetime) -> None:
        """Writes only when a deletion command is among them: most events are others."""
        by_tenant: dict[str, list[str]] = {}
        for each in deliveries:
            by_tenant.setdefault(each.device.tenant, []).extend(each.event_ids)
        news = await self.database.read(
            lambda tx: {tenant: store.undelivered(tx, tenant, ids) for tenant, ids in by_tenant.items()}
        )
        if any(news.values()):
            await self.database.write(lambda tx: _note(tx, news, now))

    def acknowledged_in(self, tx: Connection, device: ChildName, event_id: str, error: str, now: datetime) -> None:
        """The id of a removal is that of its command. A device that could not apply it has received it all the same."""
        if error:
            store.set_delivered(tx, device.tenant, [event_id], now)
        else:
            store.set_acknowledged(tx, device, event_id, now)


def _note(tx: Connection, news: dict[str, list[str]], now: datetime) -> None:
    for tenant, ids in news.items():
        store.set_delivered(tx, tenant, ids, now)
