"""Facts of a device's life with the service."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from hallmark_client.device.roots.port import RootFacts
from hallmark_client.model.enums import ChallengePurpose
from hallmark_client.model.result import Result
from hallmark_client.watch.status import WatchStatus
from hallmark_events.types import DELETION_REQUESTED


class KeyPlace(StrEnum):
    """Where the attested key is."""

    ATTESTER = "attester"
    """It never leaves the TPM or the platform's keystore."""
    VAULT = "vault"
    """In software: sealed in the vault, in memory while the device runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration(Result):
    """What makes this a device. device: tenants/{tenant}/devices/{device}. certificate: DER, for mTLS. address, ca_pem,
    public_url: of the service. verdict: name of the newest one. hpke_key: public, MLKEM768-X25519.
    """

    device: str
    tenant: str
    address: str
    ca_pem: bytes
    public_url: str | None
    certificate: bytes
    issue_time: datetime
    expire_time: datetime
    key_spki: bytes
    key_place: KeyPlace
    purpose: ChallengePurpose
    hpke_key: bytes
    verdict: str

    @property
    def device_id(self) -> str:
        return self.device.rpartition("/")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command(Result):
    """A deletion-requested event that was believed: a DeletionCommand, as `deletion_receipt` takes it."""

    subject: str
    jti: str
    own: Mapping[str, Any]

    @property
    def uri(self) -> str:
        return DELETION_REQUESTED

    @property
    def removal(self) -> str:
        return str(self.own["removal"])

    @property
    def artifact(self) -> str:
        return str(self.own["artifact"])


class Step(StrEnum):
    """How far a command has come. Each step is durable before the next one begins."""

    ASKED = "asked"
    """The tombstone: nobody gets the artifact any more."""
    ERASING = "erasing"
    """epoch_before is noted; the vault is told to delete."""
    SIGNED = "signed"
    """It is gone; the receipt is made and never changes."""
    ANSWERED = "answered"
    """The service has countersigned it."""
    REFUSED = "refused"
    """The service takes no receipt for it: `note` says why."""


OPEN_STEPS: Final = (Step.ASKED, Step.ERASING, Step.SIGNED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work(Result):
    """A command and what became of it. signature, evidence: of the receipt; empty: a lower grade. evidence: parts of a
    TPM by name. request_id: under which the receipt is sent, each time. answer: what the service countersigned.
    """

    command: Command
    step: Step
    epoch_before: int | None = None
    receipt: bytes = b""
    signature: bytes = b""
    evidence: Mapping[str, bytes] | None = None
    request_id: str = ""
    grade: str = ""
    answer: bytes = b""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts(Result):
    """Who this is, what vouches for it, and what keeps its secrets: said plainly."""

    device: str
    key_place: KeyPlace
    purpose: ChallengePurpose
    root: RootFacts
    certificate_expire_time: datetime
    has_evidence: bool
    """Receipts can be of grade A2: the root certifies its epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceStatus(Result):
    """blocked: why nothing at all may be used, such as DEVICE_REVOKED; empty otherwise. receipts_owed: commands without
    an answer. trouble: by task (renewal, deletion, receipts, anchor), its last failure; empty when all is well.
    anchored_size: entries of the audit chain that the log vouches for.
    """

    device: str
    is_running: bool
    watch: WatchStatus | None
    blocked: str
    certificate_expire_time: datetime
    receipts_owed: int
    suspended: int
    anchored_size: int
    trouble: Mapping[str, str]
