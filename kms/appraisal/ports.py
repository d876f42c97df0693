"""What appraisal policies need of the rest of the service; the composition root puts it together."""

from datetime import datetime
from typing import Protocol

from sqlalchemy.engine import Connection

from attestation.policy import Policy
from kms.devices.model import Device
from kms.devices.verification import Judged


class ActivationGate(Protocol):
    """Approvals of an activation (act POLICY_CHANGE)."""

    def consume(self, tx: Connection, proposal: str, subject: str, parameters_sha256: bytes, now: datetime) -> None:
        """Inside the transaction of the activation: it and the use of its approvals commit together, once.

        Raises FailedPrecondition (APPROVAL_REQUIRED and its relatives), InvalidArgument, NotFound.
        """


class OpenGate:
    """Nobody is asked."""

    def consume(self, tx: Connection, proposal: str, subject: str, parameters_sha256: bytes, now: datetime) -> None:
        pass


class StoredEvidence(Protocol):
    """A kms.devices.reappraisal.Reappraisal, of which only what stores nothing is used."""

    async def devices(self, tenant: str, *, after: str = "", limit: int = 100) -> list[Device]:
        """Devices that are not revoked, by id, after the id `after` ("": from the first)."""

    async def judge(self, device: Device, *, now: datetime, policy: Policy | None = None) -> Judged:
        """As a re-appraisal by this policy would judge it now. Raises ResourceExhausted/QUEUE_FULL."""


class PolicyListener(Protocol):
    """Has the stored evidence of a tenant's devices judged again, in the background."""

    def note(self, tx: Connection, tenant: str, now: datetime) -> None:
        """Inside the transaction of an activation: that there is something to do is as durable as the activation."""

    def wake(self, tenant: str) -> None:
        """After the commit: begin now. Does not wait; may be called without need."""


class NoListener:
    """Stored verdicts stay as they are until their devices come back."""

    def note(self, tx: Connection, tenant: str, now: datetime) -> None:
        pass

    def wake(self, tenant: str) -> None:
        pass
