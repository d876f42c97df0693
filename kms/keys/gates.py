"""Acts on keys that may take several people. Who has agreed is kept by kms.approvals, which stands above keys."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from sqlalchemy.engine import Connection

from kms.core.errors import FailedPrecondition, Reason


class GatedAct(StrEnum):
    """What may need approvals. EXPORT always does."""

    DESTROY = "destroy"
    EXPORT = "export"
    POLICY_CHANGE = "policy_change"
    TRUST_ROOT_CHANGE = "trust_root_change"


@dataclass(frozen=True, slots=True)
class GatedChange:
    """An act on a resource. `parameters_sha256`: of what exactly, 32 bytes; empty for acts without parameters."""

    act: GatedAct
    subject: str
    parameters_sha256: bytes = b""


class ApprovalGate(Protocol):
    """`proposal` is the name that the caller gave, "" for none.

    `check` and `consume` raise FailedPrecondition (APPROVAL_REQUIRED and its relatives), InvalidArgument, NotFound.
    """

    def needed(self, act: GatedAct) -> int:
        """Approvals that such an act takes now; 0: nobody is asked."""

    def check(self, tx: Connection, proposal: str, change: GatedChange, now: datetime) -> None:
        """Would `consume` let it be done now? For acts that use the HSM before their transaction."""

    def consume(self, tx: Connection, proposal: str, change: GatedChange, now: datetime) -> None:
        """Inside the transaction of the act: the act and the use of its approvals commit together, once."""


class OpenGate:
    """Nobody is asked, and so nothing is exported."""

    def needed(self, act: GatedAct) -> int:
        return 1 if act is GatedAct.EXPORT else 0

    def check(self, _tx: Connection, _proposal: str, change: GatedChange, _now: datetime) -> None:
        if change.act is GatedAct.EXPORT:
            raise FailedPrecondition(
                Reason.APPROVAL_REQUIRED, "an export takes an approved proposal", resource=change.subject
            )

    def consume(self, tx: Connection, proposal: str, change: GatedChange, now: datetime) -> None:
        self.check(tx, proposal, change, now)


def settings_sha256(settings: bytes) -> bytes:
    """Parameters of a change of settings: `settings` as they will be, canonical JSON (kms.keys.service)."""
    return hashlib.sha256(b"hallmark/key-settings/v1\n" + settings).digest()


def recipient_sha256(algorithm: str, public_key: bytes) -> bytes:
    """Parameters of an export: to whom. `algorithm`: title of an HPKE one."""
    return hashlib.sha256(b"hallmark/export-recipient/v1\n" + algorithm.encode() + b"\n" + public_key).digest()


def lead_sha256(lead: timedelta | None) -> bytes:
    """Parameters of a rotation: without the lead that people agreed to, clients would not know the next key in time.

    None: the key's own, which takes no parameters.
    """
    if lead is None:
        return b""
    return hashlib.sha256(b"hallmark/rotation-lead/v1\n%d" % (lead // timedelta(seconds=1))).digest()
