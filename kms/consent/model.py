"""Consent records with the terms of ISO/IEC TS 27560:2023 and the W3C Data Privacy Vocabulary (DPV)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from kms.core.errors import FailedPrecondition, Reason
from kms.core.names import ChildName, DigestName
from kms.keys.model import ServiceSignature
from kms.log.model import LogPromise

SCHEMA_VERSION: Final = "ISO/IEC TS 27560:2023"
RECEIPT_CONTEXT: Final = "hallmark/consent-receipt/v1"


class ConsentState(StrEnum):
    """dpv:ConsentStatus. GIVEN becomes RENEWED as often as it is renewed; the three others are for ever."""

    GIVEN = "GIVEN"
    RENEWED = "RENEWED"
    WITHDRAWN = "WITHDRAWN"
    """By the person."""
    REVOKED = "REVOKED"
    """By somebody else."""
    EXPIRED = "EXPIRED"

    @property
    def is_open(self) -> bool:
        return self in {ConsentState.GIVEN, ConsentState.RENEWED}


class LeaseAction(StrEnum):
    """What a device does when it can not know any more whether it may."""

    SUSPEND = "suspend"
    SHRED = "shred"


class ArtifactKind(StrEnum):
    """What sort of thing a consent lets a device hold."""

    MODEL_WEIGHTS = "model-weights"
    LORA_ADAPTER = "lora-adapter"
    TOKENIZER = "tokenizer"
    CREDENTIAL = "credential"
    BIOMETRIC_TEMPLATE = "biometric-template"
    INFERENCE_CACHE = "inference-cache"
    SAFETY_MODEL = "safety-model"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class ConsentArtifact:
    name: DigestName
    kind: ArtifactKind


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTerms:
    """duration + offline_grace is at most the promised removal time. `max_staleness`: None means by kind."""

    duration: timedelta
    max_staleness: timedelta | None
    offline_grace: timedelta
    on_silence: LeaseAction
    on_expiry: LeaseAction


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """`state` is as it was written: ask `state_at`, because time alone ends a consent.

    `pii_principal_id`: the person's pseudonym for this controller. `revision` counts every change from 1. `end_time`
    and `end_reason` say since when it has ended, and why in words.
    """

    name: ChildName
    pii_principal_id: str
    controller: str
    purposes: tuple[str, ...]
    lawful_basis: str
    artifacts: tuple[ConsentArtifact, ...]
    devices: tuple[ChildName, ...]
    state: ConsentState
    revision: int
    create_time: datetime
    update_time: datetime
    expire_time: datetime
    removal_time: timedelta
    terms: LeaseTerms
    withdrawal_method: str
    storage_locations: tuple[str, ...]
    end_time: datetime | None = None
    end_reason: str = ""

    def state_at(self, now: datetime) -> ConsentState:
        """EXPIRED from expire_time on, whether or not anybody has written it down."""
        return ConsentState.EXPIRED if self.state.is_open and self.expire_time <= now else self.state

    def check_open(self, now: datetime) -> None:
        """Raises FailedPrecondition/STATE_TRANSITION_INVALID once it has ended."""
        state = self.state_at(now)
        if not state.is_open:
            raise FailedPrecondition(
                Reason.STATE_TRANSITION_INVALID,
                f"{self.name} is {state}, and that is for ever; a new permission takes a new consent",
                resource=str(self.name),
            )

    def kind_of(self, artifact: DigestName) -> ArtifactKind | None:
        """None for an artifact that the consent does not name."""
        return next((each.kind for each in self.artifacts if each.name == artifact), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the person gets: canonical JSON and the service's signature over it."""

    payload: bytes
    signature: ServiceSignature


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of a consent, by its revision: the log's promise for it, the receipt where one was issued, and the
    removals that it asked for.
    """

    revision: int
    promise: LogPromise
    receipt: Receipt | None = None
    removals: Sequence[str] = ()
