"""What other parts of the service are told: that a device was sent its events, and that it has applied them."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

from sqlalchemy.engine import Connection

from kms.core.database import Database
from kms.core.names import ChildName
from kms.events.signal import FeedSignal

ReplaceHistory: TypeAlias = Callable[[str, bytes, datetime], Awaitable[None]]
"""(tenant, epoch that lost events, or empty for a tenant without feeds, now): a new history of its feeds begins."""


class Source(Protocol):
    """Where the hub reads what happened: kms.events.appending.Events, or the same without what makes events."""

    @property
    def database(self) -> Database: ...

    @property
    def signal(self) -> FeedSignal: ...


DeviceGrown: TypeAlias = Callable[[ChildName], None]
"""Told at once when something was put into the feed of a device, here or at another replica; it may have been revoked.
Only of tenants to which somebody listens here.
"""

DeviceRevoked: TypeAlias = Callable[[ChildName], None]
"""Told at once, as above, when an event says that a device is INVALID, which is for ever."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Events of its own feed that were handed to the connection of this device. Not yet that they arrived."""

    device: ChildName
    event_ids: tuple[str, ...]


class DeliveryObserver(Protocol):
    """Told about once a second, at least once for each delivery. After an error the same deliveries come again."""

    async def delivered(self, deliveries: Sequence[Delivery], now: datetime) -> None: ...


class AcknowledgementObserver(Protocol):
    """Told inside the transaction that stores the acknowledgement, once for each that is new or has changed."""

    def acknowledged_in(self, tx: Connection, device: ChildName, event_id: str, error: str, now: datetime) -> None:
        """`error` is empty when the device has applied the event, else a code of RFC 8936, section 2.6."""


@dataclass(frozen=True, slots=True)
class EventObservers:
    """None: nobody wants to know."""

    delivered: DeliveryObserver | None = None
    acknowledged: AcknowledgementObserver | None = None
    grown: DeviceGrown | None = None
    revoked: DeviceRevoked | None = None
