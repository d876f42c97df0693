"""Removals: what was to be removed from which device, by when, and what proves that it was."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from hallmark_client.errors import VerificationFailed
from hallmark_client.model.devices import Evidence
from hallmark_client.model.log import LogPromise
from hallmark_client.model.result import Result
from hallmark_client.model.signed import ServiceSignature, TrustedKeys

COUNTERSIGNATURE_CONTEXT: Final = "hallmark/deletion-countersignature/v1"
DAY_CONTEXT: Final = "hallmark/removal-day/v1"
RECEIPT_CONTEXT: Final = b"hallmark/deletion-receipt/v1\0"
"""Before the set in what the attested key signs."""


class RemovalState(StrEnum):
    """Delivered is not applied, and acknowledged is not deleted."""

    ISSUED = "ISSUED"
    DELIVERED = "DELIVERED"
    """Sent to the device."""
    ACKNOWLEDGED = "ACKNOWLEDGED"
    """The device said that it has it: its key is out of use."""
    DELETED = "DELETED"
    """There is a receipt: see its grade."""
    LAPSED = "LAPSED"
    """Never reached, and every lease has ended: the key is gone by construction, but the device did not say so."""
    OVERDUE = "OVERDUE"
    """The deadline has passed without a receipt."""
    UNREACHABLE = "UNREACHABLE"
    """Not heard of since it was asked."""
    UNKNOWN = "UNKNOWN"


class ReceiptGrade(StrEnum):
    """What stands behind a receipt. None proves that plaintext was not copied out while it was lawfully open."""

    A0 = "A0"
    """Software says so, over the device's authenticated channel."""
    A1 = "A1"
    """Signed by the attested key of the device."""
    A2 = "A2"
    """Hardware certifies it."""
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionReceipt(Result):
    """set: a SET claims set (RFC 8417). signature: by the attested key over RECEIPT_CONTEXT and the set. evidence: over
    SHA-256(set). The rest is the service's answer: canonical JSON that it signed, and the log entry.
    """

    set: bytes
    signature: bytes = b""
    evidence: Evidence | None = None
    grade: ReceiptGrade = ReceiptGrade.UNKNOWN
    countersigned: bytes = b""
    countersignature: ServiceSignature | None = None
    log: LogPromise | None = None

    def verify(self, trusted_keys: TrustedKeys, removal: str) -> None:
        """Check that the service has countersigned this very receipt, of this removal, with this grade.

        Raises VerificationFailed (COUNTERSIGNATURE_MISSING, COUNTERSIGNATURE_INVALID, and those of ServiceSignature).
        """
        if self.countersignature is None:
            raise VerificationFailed("COUNTERSIGNATURE_MISSING", "the service has not countersigned this receipt")
        self.countersignature.verify(self.countersigned, trusted_keys, context=COUNTERSIGNATURE_CONTEXT)
        said = json.loads(self.countersigned)
        wanted = (hashlib.sha256(self.set).hexdigest(), removal, self.grade.value)
        if (said["receipt_sha256"], said["removal"], said["grade"]) != wanted:
            raise VerificationFailed("COUNTERSIGNATURE_INVALID", "the countersignature is about something else")


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal(Result):
    """name: tenants/{tenant}/removals/{removal}. consent: empty without one. grade, receipt: of the best receipt.
    lease_end_time: until then the device may go on if it hears nothing; None when it was given no lease.
    receipt_time: of the first receipt. replayed: this answer was given before.
    """

    name: str
    device: str
    artifact: str
    consent: str
    state: RemovalState
    grade: ReceiptGrade | None
    effective_time: datetime
    deadline: datetime
    issue_time: datetime
    deliver_time: datetime | None
    acknowledge_time: datetime | None
    receipt_time: datetime | None
    lease_end_time: datetime | None
    reason: str
    receipt: DeletionReceipt | None
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles(Result):
    """Of `count` removals; seconds."""

    count: int
    p50_seconds: float
    p99_seconds: float
    max_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyRoot(Result):
    """day: YYYY-MM-DD, UTC. root: Merkle root (RFC 9162) of the day's `size` records. payload: canonical JSON."""

    day: str
    root: bytes
    size: int
    payload: bytes
    signature: ServiceSignature
    log: LogPromise

    def verify(self, trusted_keys: TrustedKeys) -> None:
        """Check that the service has signed just this root. Raises VerificationFailed (ROOT_INVALID, and those of
        ServiceSignature).
        """
        self.signature.verify(self.payload, trusted_keys, context=DAY_CONTEXT)
        said = json.loads(self.payload)
        same = hmac.compare_digest(said["root"], self.root.hex())
        if not same or (said["day"], said["size"]) != (self.day, self.size):
            raise VerificationFailed("ROOT_INVALID", f"what was signed for {self.day} is not what its fields say")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalReport(Result):
    """Of the removals issued since and before. states: by "issued", "delivered", ...; grades: by "A0", "A1", "A2".
    to_acknowledgement, to_receipt: from the withdrawal; None without any. overdue: at most 1000, the oldest first.
    """

    since: datetime
    until: datetime
    report_time: datetime
    states: Mapping[str, int]
    grades: Mapping[str, int]
    to_acknowledgement: Percentiles | None
    to_receipt: Percentiles | None
    overdue: tuple[Removal, ...]
    daily_roots: tuple[DailyRoot, ...]
