"""What events there are, what they may do, and under which contexts they are signed."""

from enum import Enum, IntEnum, StrEnum
from typing import Final, Protocol

_CAEP: Final = "https://schemas.openid.net/secevent/caep/event-type/"
_OWN: Final = "tag:hallmark.local,2026:secevent/odai/event-type/"

CREDENTIAL_CHANGE: Final = _CAEP + "credential-change"
"""CAEP 1.0, section 3.3. Of keys, devices and verdicts, with change_type "revoke"."""
ASSURANCE_LEVEL_CHANGE: Final = _CAEP + "assurance-level-change"
"""CAEP 1.0, section 3.4. A device's appraisal was lost or regained."""
DEVICE_COMPLIANCE_CHANGE: Final = _CAEP + "device-compliance-change"
"""CAEP 1.0, section 3.5. A device is overdue with a removal, or is not any more."""

CONSENT_STATUS_CHANGE: Final = _OWN + "consent-status-change"
ARTIFACT_REVOKED: Final = _OWN + "artifact-revoked"
ARTIFACT_STATUS_CHANGE: Final = _OWN + "artifact-status-change"
ARTIFACT_SUPERSEDED: Final = _OWN + "artifact-superseded"
LEASE_GRANTED: Final = _OWN + "lease-granted"
LEASE_ENDED: Final = _OWN + "lease-ended"
DELETION_REQUESTED: Final = _OWN + "deletion-requested"
DELETION_COMPLETED: Final = _OWN + "deletion-completed"
POLICY_CHANGED: Final = _OWN + "policy-changed"
TRUST_ROOT_CHANGED: Final = _OWN + "trust-root-changed"
KEY_ROTATED: Final = _OWN + "key-rotated"

OWN_NAMESPACE: Final = "hallmark.v1"
"""The member of an event that holds what CAEP and RISC have no name for."""

EVENT_CONTEXT: Final = b"hallmark/revocation-event/v1"
HEARTBEAT_CONTEXT: Final = b"hallmark/heartbeat-batch/v1"
MANIFEST_CONTEXT: Final = b"hallmark/status-manifest/v1"
"""Contexts of the composite signature: what is signed for one purpose says nothing under another."""


class StatusValue(IntEnum):
    """Status types of draft-ietf-oauth-status-list-21, section 7.1: the number in status lists, the name in events."""

    VALID = 0
    INVALID = 1
    """For ever: no later event makes the subject anything else."""
    SUSPENDED = 2


class Priority(IntEnum):
    """Numbers of hallmark.v1.EventPriority."""

    URGENT = 1
    """Withdrawals, compromise, malicious artifacts: overtakes what waits."""
    LEASE = 2
    INFORMATION = 3


class Initiator(StrEnum):
    """initiating_entity (CAEP 1.0, section 2)."""

    ADMIN = "admin"
    USER = "user"
    POLICY = "policy"
    SYSTEM = "system"


class Silence(Enum):
    """What a lease says shall become of an artifact: when its key may not be used now, or never again."""

    SUSPEND = "suspend"
    SHRED = "shred"


GRANT_KINDS: Final = frozenset({"anchors", "consents", "leases"})
"""Subjects that only exist by their grant. Others are valid as long as nothing was said of them."""

_GRANTS: Final = frozenset({CONSENT_STATUS_CHANGE, LEASE_GRANTED, TRUST_ROOT_CHANGED})
_REGAINS: Final = frozenset({ARTIFACT_STATUS_CHANGE, ASSURANCE_LEVEL_CHANGE, DEVICE_COMPLIANCE_CHANGE})
"""With VALID they say only this: that something is allowed again. A receiver may have missed the event before."""


class Judged(Protocol):
    """What `widens` looks at; `event_set.EventSet` has it."""

    @property
    def uri(self) -> str: ...

    @property
    def subject(self) -> str: ...

    @property
    def status(self) -> StatusValue: ...


def kind_of(subject: str) -> str:
    """The collection of a resource name: "keys" of tenants/{t}/keys/{k}; empty for other names."""
    parts = subject.split("/", 3)
    return parts[2] if len(parts) == 4 and parts[0] == "tenants" else ""


def widens(event: Judged, before: StatusValue | None) -> bool:
    """Whether the event makes something allowed that was not, so that it needs its proof of the log.

    before: the status of its subject so far; None when nothing is known of it, which is where the type decides.
    """
    if event.status is not StatusValue.VALID:
        return False
    if before is not None and before is not StatusValue.VALID:
        return True
    return event.uri in _GRANTS or event.uri in _REGAINS or kind_of(event.subject) in GRANT_KINDS


def is_terminal(status: StatusValue) -> bool:
    """No event of the same subject is applied after this one."""
    return status is StatusValue.INVALID


def restricts(uri: str, status: StatusValue) -> bool:
    """Whether it takes something away for as long as nothing later is told."""
    return status is not StatusValue.VALID or uri == ARTIFACT_SUPERSEDED


def priority_of(uri: str, status: StatusValue) -> Priority:
    """What takes back goes first, then leases, then what is good to know."""
    if uri == DELETION_COMPLETED:
        return Priority.INFORMATION
    if uri == DELETION_REQUESTED or status is not StatusValue.VALID:
        return Priority.URGENT
    return Priority.LEASE if uri == LEASE_GRANTED else Priority.INFORMATION
