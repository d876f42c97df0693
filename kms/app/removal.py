"""Removals put together: who asks, who takes receipts, who keeps the deadlines, what the event service tells."""

from dataclasses import dataclass
from datetime import timedelta

from kms.config import Config
from kms.core.clock import Clock
from kms.devices.service import DeviceService
from kms.events.appending import Events
from kms.removal.days import DayClosing
from kms.removal.deadlines import Deadlines
from kms.removal.evidence import EvidenceJudge
from kms.removal.keeper import RemovalKeeper
from kms.removal.overdue import Enforcement
from kms.removal.ports import Leases
from kms.removal.reading import RemovalReader
from kms.removal.receiving import ReceiptService
from kms.removal.requests import RemovalOrders
from kms.removal.rpc import RemovalServicer
from kms.revocation.service import RevocationService


@dataclass(frozen=True, slots=True)
class RemovalParts:
    """`keeper.run` until cancelled."""

    servicer: RemovalServicer
    keeper: RemovalKeeper


def make_orders(config: Config, events: Events, leases: Leases) -> RemovalOrders:
    """For the consents, which ask devices to delete when they end."""
    return RemovalOrders(
        events=events, leases=leases, unreachable=timedelta(seconds=config.removal.unreachable_seconds)
    )


def make_removal(
    config: Config, *, orders: RemovalOrders, revocations: RevocationService, devices: DeviceService, clock: Clock
) -> RemovalParts:
    events = revocations.events
    judge = EvidenceJudge(database=events.database, verifier=devices.verifier, rejudging=devices.rejudging)
    servicer = RemovalServicer(orders, ReceiptService(events=events, judge=judge), RemovalReader(events.database))
    keeper = RemovalKeeper(
        deadlines=Deadlines(events=events),
        enforcement=Enforcement(revocations=revocations, leases=orders.leases, revoke=config.removal.revoke_overdue),
        days=DayClosing(events=events),
        clock=clock,
        interval_seconds=config.removal.check_interval_seconds,
    )
    return RemovalParts(servicer, keeper)
