"""Receipts: made once, sent until they are answered, and the service's countersignature kept."""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from hallmark_client.client import Client
from hallmark_client.device.roots.port import EpochEvidence, RootOfTrust
from hallmark_client.errors import (
    AlreadyExists,
    FailedPrecondition,
    HallmarkError,
    InvalidArgument,
    NotFound,
    VerificationFailed,
)
from hallmark_client.model.devices import Evidence
from hallmark_client.model.enums import EvidenceFormat
from hallmark_client.model.removals import DeletionReceipt, Removal
from hallmark_client.model.signed import TrustedKeys
from hallmark_client.removals import deletion_receipt
from hallmark_client.system import System
from hallmark_events.canonical import canonical_json

from .attester import DeviceKey
from .erasing import Moment
from .model import Step, Work
from .store import LifeStore

NV_PARTS: Final = frozenset({"nv-certify", "nv-signature", "nv-public"})
"""Evidence of a TPM's counter, as the service takes it for grade A2 (docs/removal.md)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Makes receipts of the best grade that this device has. device: full name."""

    device: str
    key: DeviceKey
    root: RootOfTrust
    system: System
    moment: Callable[[], Moment]

    def sign(self, work: Work, epoch_before: int, epoch_after: int) -> Work:
        """With its receipt. Raises RootFailed."""
        moment = self.moment()
        made = deletion_receipt(
            work.command,
            device=self.device,
            jti=self.system.request_id(),
            epoch_before=epoch_before,
            epoch_after=epoch_after,
            audit_head=moment.head.head,
            boot_id=moment.boot_id,
            device_time=moment.time,
            sign=self.key.sign,
        )
        certified = self._certified(made.set)
        return replace(
            work,
            step=Step.SIGNED,
            receipt=made.set,
            signature=made.signature,
            evidence=None if certified is None else certified.parts,
            request_id=self.system.request_id(),
        )

    def _certified(self, receipt: bytes) -> EpochEvidence | None:
        found = self.root.evidence(receipt_challenge(receipt))
        return found if found is not None and found.parts.keys() == NV_PARTS else None


def receipt_challenge(receipt: bytes) -> bytes:
    """What evidence for grade A2 is over."""
    return hashlib.sha256(receipt).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """client: of the moment. trusted_keys: the service's, for countersignatures."""

    store: LifeStore
    client: Callable[[], Client]
    trusted_keys: Callable[[], TrustedKeys]
    system: System

    def run(self) -> int:
        """How many were answered. Raises HallmarkError when the service can not be reached, or is not to be believed:
        later again.
        """
        answered = 0
        while signed := self.store.works(Step.SIGNED):
            for work in signed:
                self.store.put(self._sent(work))
            answered += len(signed)
        return answered

    def _sent(self, work: Work) -> Work:
        try:
            removal = self.client().removals.submit(work.command.removal, _receipt(work), request_id=work.request_id)
        except (FailedPrecondition, InvalidArgument, NotFound, AlreadyExists) as error:
            return self._refused(work, error)
        receipt = removal.receipt
        if receipt is None or receipt.set != work.receipt:
            raise VerificationFailed("COUNTERSIGNATURE_INVALID", "the service answered about another receipt")
        receipt.verify(self.trusted_keys(), work.command.removal)
        return replace(work, step=Step.ANSWERED, grade=_grade(removal), answer=_kept(receipt))

    def _refused(self, work: Work, error: HallmarkError) -> Work:
        """A lower grade is better than none: what is not believed is left out, under a request of its own."""
        if work.evidence is not None:
            return replace(work, evidence=None, request_id=self.system.request_id(), note=f"not A2: {error.reason}")
        if work.signature and error.reason == "SIGNATURE_INVALID":
            return replace(work, signature=b"", request_id=self.system.request_id(), note=f"not A1: {error.reason}")
        if error.reason == "STATE_TRANSITION_INVALID":
            return replace(work, step=Step.ANSWERED, note="the service has a receipt that is as good")
        return replace(work, step=Step.REFUSED, note=f"{error.reason}: {error.message}"[:500])


def _receipt(work: Work) -> DeletionReceipt:
    evidence = None
    if work.evidence is not None:
        evidence = Evidence(format=EvidenceFormat.TPM, parts=tuple(work.evidence.items()))
    return DeletionReceipt(set=work.receipt, signature=work.signature, evidence=evidence)


def _grade(removal: Removal) -> str:
    return "" if removal.grade is None else removal.grade.value


def _kept(receipt: DeletionReceipt) -> bytes:
    """What an auditor needs to see that the service had it: canonical JSON."""
    signed, log = receipt.countersignature, receipt.log
    assert signed is not None, "it was verified"
    value: dict[str, Any] = {
        "countersigned": base64.b64encode(receipt.countersigned).decode(),
        "key_version": signed.key_version,
        "signature": base64.b64encode(signed.signature).decode(),
        "leaf_hash": "" if log is None else log.leaf_hash.hex(),
    }
    return canonical_json(value)
