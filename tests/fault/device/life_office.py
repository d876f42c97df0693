"""Who takes receipts, in memory: countersigns for real, and can be away or lose its answers."""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from types import SimpleNamespace
from typing import Any

from hallmark_client.errors import FailedPrecondition, Unavailable
from hallmark_client.model.removals import (
    COUNTERSIGNATURE_CONTEXT,
    DeletionReceipt,
    ReceiptGrade,
    Removal,
    RemovalState,
)
from hallmark_client.model.signed import ServiceSignature
from hallmark_client.testing.composite import CompositeKeyPair
from hallmark_composite import prehash
from hallmark_composite.algorithms import MLDSA65_ECDSA_P256_SHA512

VERSION = "tenants/system/keys/revocation-events/versions/1"
NOW = datetime(2026, 11, 22, tzinfo=UTC)


@dataclass
class Office:
    """taken: the first receipt of each removal. Any other one for it is refused, and counted in `others`.

    away, deaf: so many calls find nobody, or have their answer lost. believes: evidence and signatures are taken.
    """

    pair: CompositeKeyPair = field(default_factory=lambda: CompositeKeyPair.generate(MLDSA65_ECDSA_P256_SHA512))
    taken: dict[str, DeletionReceipt] = field(default_factory=dict)
    others: int = 0
    calls: int = 0
    away: int = 0
    deaf: int = 0
    refusal: Exception | None = None
    forges: bool = False

    @property
    def keys(self) -> dict[str, Any]:
        return {VERSION: self.pair.public_key}

    @property
    def client(self) -> Any:
        """As far as receipts need one."""
        return SimpleNamespace(removals=self)

    def submit(self, removal: str, receipt: DeletionReceipt, *, request_id: str) -> Removal:
        assert request_id
        self.calls += 1
        if self.away:
            self.away -= 1
            raise Unavailable("UNREACHABLE", "nobody listens")
        if self.refusal is not None:
            raise self.refusal
        first = self.taken.setdefault(removal, receipt)
        if first.set != receipt.set:
            self.others += 1
            raise FailedPrecondition("STATE_TRANSITION_INVALID", "there is one")
        if self.deaf:
            self.deaf -= 1
            raise Unavailable("UNREACHABLE", "the answer was lost")
        return self._answer(removal, receipt)

    def _answer(self, removal: str, receipt: DeletionReceipt) -> Removal:
        grade = ReceiptGrade.A2 if receipt.evidence else ReceiptGrade.A1 if receipt.signature else ReceiptGrade.A0
        said = {"receipt_sha256": sha256(receipt.set).hexdigest(), "removal": removal, "grade": grade.value}
        payload = json.dumps(said, sort_keys=True, separators=(",", ":")).encode()
        signed = self.pair.sign(prehash(self.pair.algorithm, payload), COUNTERSIGNATURE_CONTEXT.encode())
        countersigned = replace(
            receipt,
            grade=grade,
            countersigned=payload if not self.forges else payload + b" ",
            countersignature=ServiceSignature(
                key_version=VERSION, signature=signed, context=COUNTERSIGNATURE_CONTEXT, sign_time=NOW
            ),
        )
        return Removal(
            name=removal,
            device="",
            artifact="",
            consent="",
            state=RemovalState.DELETED,
            grade=grade,
            effective_time=NOW,
            deadline=NOW,
            issue_time=NOW,
            deliver_time=None,
            acknowledge_time=None,
            receipt_time=NOW,
            lease_end_time=None,
            reason="",
            receipt=countersigned,
        )
