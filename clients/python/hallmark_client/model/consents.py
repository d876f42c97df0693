"""Consents of people (ISO/IEC TS 27560:2023, DPV), their receipts, and leases of devices."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from hallmark_client.errors import VerificationFailed
from hallmark_client.model.log import LogPromise
from hallmark_client.model.result import Result
from hallmark_client.model.signed import ServiceSignature, TrustedKeys

SIGNING_KEY: Final = "tenants/system/keys/revocation-events"
RECEIPT_CONTEXT: Final = "hallmark/consent-receipt/v1"


class ConsentState(StrEnum):
    """dpv:ConsentStatus. The last three are for ever."""

    GIVEN = "GIVEN"
    RENEWED = "RENEWED"
    WITHDRAWN = "WITHDRAWN"
    """By the person."""
    REVOKED = "REVOKED"
    """By somebody else."""
    EXPIRED = "EXPIRED"
    UNKNOWN = "UNKNOWN"


class LeaseAction(StrEnum):
    """What a device does when it can not know any more whether it may."""

    SUSPEND = "SUSPEND"
    """The key of the artifact is not available; what is encrypted stays."""
    SHRED = "SHRED"
    """The key is destroyed."""
    UNKNOWN = "UNKNOWN"


class ArtifactKind(StrEnum):
    """What a consent lets a device hold."""

    MODEL_WEIGHTS = "MODEL_WEIGHTS"
    LORA_ADAPTER = "LORA_ADAPTER"
    TOKENIZER = "TOKENIZER"
    CREDENTIAL = "CREDENTIAL"
    BIOMETRIC_TEMPLATE = "BIOMETRIC_TEMPLATE"
    INFERENCE_CACHE = "INFERENCE_CACHE"
    SAFETY_MODEL = "SAFETY_MODEL"
    OTHER = "OTHER"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentArtifact(Result):
    """artifact: its resource name, or its SHA-256 (64 lower-case hex digits)."""

    artifact: str
    kind: ArtifactKind = ArtifactKind.OTHER


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTerms(Result):
    """What is None is the server's to choose: duration is the promised removal time, max_staleness goes by kind."""

    duration: timedelta | None = None
    max_staleness: timedelta | None = None
    offline_grace: timedelta | None = None
    on_silence: LeaseAction = LeaseAction.SUSPEND
    on_expiry: LeaseAction = LeaseAction.SHRED


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent(Result):
    """pii_principal_id: the person's pseudonym for this controller; nobody's name stands here.

    removal_time: so long after a withdrawal nothing is usable any more.
    """

    name: str
    schema_version: str
    pii_principal_id: str
    controller: str
    purposes: Sequence[str]
    lawful_basis: str
    artifacts: Sequence[ConsentArtifact]
    devices: Sequence[str]
    state: ConsentState
    revision: int
    create_time: datetime
    update_time: datetime
    expire_time: datetime
    removal_time: timedelta
    lease_terms: LeaseTerms
    withdrawal_method: str
    storage_locations: Sequence[str]
    end_time: datetime | None
    end_reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentChange(Result):
    """A consent that was given or renewed, and the log entry that says so."""

    consent: Consent
    log: LogPromise
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal(Result):
    """deadline: by then nothing is usable any more. removals: what devices are asked for, one for each artifact."""

    consent: Consent
    log: LogPromise
    replayed: bool
    deadline: datetime
    removals: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentReceipt(Result):
    """For the person. payload: canonical JSON with the fields of ISO/IEC TS 27560; html: the same to read and print."""

    payload: bytes
    signature: ServiceSignature
    log: LogPromise
    html: str = field(repr=False)

    @property
    def record(self) -> dict[str, Any]:
        """The record in the payload."""
        found: dict[str, Any] = json.loads(self.payload)["record"]
        return found

    def verify(self, trusted_keys: TrustedKeys, *, consent: str = "") -> None:
        """Check that the service signed it, and that it is of this consent when one is given.

        Raises VerificationFailed (KEY_NOT_TRUSTED, CONTEXT_MISMATCH, RECEIPT_INVALID), SignatureInvalid.
        """
        self.signature.verify(self.payload, trusted_keys, context=RECEIPT_CONTEXT)
        if consent and self.record.get("record_id") != consent:
            raise VerificationFailed("RECEIPT_INVALID", f"the receipt is not of {consent}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReference(Result):
    """A Token Status List and an index in it."""

    uri: str
    idx: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease(Result):
    """What a device may hold, and until when. live: False when it has ended."""

    name: str
    consent: str
    device: str
    artifact: str
    kind: ArtifactKind
    revision: int
    not_before: datetime
    expire_time: datetime
    max_staleness: timedelta
    offline_grace: timedelta
    on_silence: LeaseAction
    on_expiry: LeaseAction
    status: StatusReference
    live: bool
