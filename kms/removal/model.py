"""Removals: what a device was asked to delete, by when, and what proves that it did.

Three times that are never mixed up: delivered is not applied, and acknowledged is not deleted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from kms.core.names import ChildName, DigestName
from kms.keys.model import ServiceSignature
from kms.log.model import LogPromise

COLLECTION: Final = "removals"
METHOD: Final = "cryptographic-erase"
"""NIST SP 800-88r2, section 3.1.3: the keys are destroyed, so that what is encrypted under them is gone."""
NONCE_BYTES: Final = 32
COUNTERSIGNATURE_CONTEXT: Final = "hallmark/deletion-countersignature/v1"
DAY_CONTEXT: Final = "hallmark/removal-day/v1"
DEADLINE_DEFAULT: Final = timedelta(hours=24)
DEADLINE_LEAST: Final = timedelta(minutes=1)
DEADLINE_MOST: Final = timedelta(days=30)
REASON_CHARACTERS_MAX: Final = 512


class RemovalState(StrEnum):
    """Of one removal. See FOLLOWERS for what may come after what."""

    ISSUED = "issued"
    DELIVERED = "delivered"
    ACKNOWLEDGED = "acknowledged"
    DELETED = "deleted"
    LAPSED = "lapsed"
    OVERDUE = "overdue"
    UNREACHABLE = "unreachable"


FOLLOWERS: Final[Mapping[RemovalState, frozenset[RemovalState]]] = MappingProxyType(
    {
        RemovalState.ISSUED: frozenset(RemovalState) - {RemovalState.ISSUED},
        RemovalState.UNREACHABLE: frozenset(RemovalState) - {RemovalState.ISSUED, RemovalState.UNREACHABLE},
        RemovalState.DELIVERED: frozenset({RemovalState.ACKNOWLEDGED, RemovalState.DELETED, RemovalState.OVERDUE}),
        RemovalState.ACKNOWLEDGED: frozenset({RemovalState.DELETED, RemovalState.OVERDUE}),
        RemovalState.LAPSED: frozenset({RemovalState.DELETED}),
        RemovalState.OVERDUE: frozenset({RemovalState.DELETED}),
        RemovalState.DELETED: frozenset(),
    }
)
"""A receipt is taken whenever it comes; nothing comes after it but a better one."""
OPEN: Final = frozenset(
    {RemovalState.ISSUED, RemovalState.UNREACHABLE, RemovalState.DELIVERED, RemovalState.ACKNOWLEDGED}
)
"""The deadline still decides about these."""
UNHEARD: Final = frozenset({RemovalState.ISSUED, RemovalState.UNREACHABLE})


class ReceiptGrade(StrEnum):
    """What stands behind a receipt; a later one in this list is the better one."""

    A0 = "A0"
    A1 = "A1"
    A2 = "A2"

    def is_better_than(self, other: "ReceiptGrade | None") -> bool:
        return other is None or self.value > other.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """As the device gave it, graded, countersigned and logged. `evidence`: the protobuf message, or empty."""

    set: bytes
    signature: bytes
    evidence: bytes
    grade: ReceiptGrade
    receive_time: datetime
    countersigned: bytes
    countersignature: ServiceSignature
    promise: LogPromise


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """`name.id` is also the jti of the deletion-requested event. `effective_time`: of what it follows from.

    `lease_end_time`: until then the device may go on if it hears nothing; None when it was given no lease.
    `receipt_time`: of the first receipt; a better one later does not move it.
    """

    name: ChildName
    device: ChildName
    artifact: DigestName
    consent: ChildName | None
    state: RemovalState
    nonce: bytes
    effective_time: datetime
    deadline: datetime
    issue_time: datetime
    grade: ReceiptGrade | None = None
    deliver_time: datetime | None = None
    acknowledge_time: datetime | None = None
    receipt_time: datetime | None = None
    lease_end_time: datetime | None = None
    close_time: datetime | None = None
    """When it came to its end: the receipt, or that it lapsed."""
    reason: str = ""
    receipt: Receipt | None = None

    def state_at_deadline(self, now: datetime) -> RemovalState:
        """Without a receipt. Gone by construction only where the command never came and no lease lives any more."""
        lease_lives = self.lease_end_time is not None and self.lease_end_time > now
        return RemovalState.LAPSED if self.state in UNHEARD and not lease_lives else RemovalState.OVERDUE


@dataclass(frozen=True, slots=True, kw_only=True)
class DayRoot:
    """What the removals of a day were at its end. `payload`: canonical JSON that is signed (kms.removal.payload)."""

    tenant: str
    day: str
    root: bytes
    size: int
    payload: bytes
    signature: ServiceSignature
    promise: LogPromise


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Nearest rank. Of `count` removals that have it."""

    count: int
    p50: timedelta
    p99: timedelta
    longest: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Of the removals issued since and before. `overdue`: the oldest first, at most 1000."""

    since: datetime
    until: datetime
    report_time: datetime
    states: Mapping[RemovalState, int]
    grades: Mapping[ReceiptGrade, int]
    to_acknowledgement: Percentiles | None
    to_receipt: Percentiles | None
    overdue: tuple[Removal, ...]
    daily_roots: tuple[DayRoot, ...]
