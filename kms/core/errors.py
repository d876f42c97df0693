"""The one error tree of the service. Translated once, at the gRPC edge (kms.server.errors).

A message is a sentence for the caller that says what to do; it never holds a secret or a byte of the caller's message.
"""

from collections.abc import Mapping
from enum import StrEnum


class Reason(StrEnum):
    """Closed list of machine-readable reasons (google.rpc.ErrorInfo.reason, domain hallmark.v1)."""

    FIELD_INVALID = "FIELD_INVALID"
    NAME_INVALID = "NAME_INVALID"
    REQUEST_ID_INVALID = "REQUEST_ID_INVALID"
    CHECKSUM_MISMATCH = "CHECKSUM_MISMATCH"
    MESSAGE_TOO_LARGE = "MESSAGE_TOO_LARGE"
    SIGNATURE_INVALID = "SIGNATURE_INVALID"
    EVIDENCE_TOO_LARGE = "EVIDENCE_TOO_LARGE"
    PAGE_TOKEN_INVALID = "PAGE_TOKEN_INVALID"  # noqa: S105
    CURSOR_INVALID = "CURSOR_INVALID"
    RESOURCE_NOT_FOUND = "RESOURCE_NOT_FOUND"
    LOG_ENTRY_NOT_FOUND = "LOG_ENTRY_NOT_FOUND"
    KEY_EXISTS = "KEY_EXISTS"
    RECEIVER_EXISTS = "RECEIVER_EXISTS"
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    KEY_VERSION_NOT_ACTIVE = "KEY_VERSION_NOT_ACTIVE"
    KEY_REVOKED = "KEY_REVOKED"
    KEY_EXPIRED = "KEY_EXPIRED"
    STATE_TRANSITION_INVALID = "STATE_TRANSITION_INVALID"
    PURPOSE_MISMATCH = "PURPOSE_MISMATCH"
    USAGE_LIMIT_REACHED = "USAGE_LIMIT_REACHED"
    ALIAS_NOT_FOUND = "ALIAS_NOT_FOUND"
    APPROVAL_REQUIRED = "APPROVAL_REQUIRED"
    PROPOSAL_NOT_APPROVED = "PROPOSAL_NOT_APPROVED"
    PROPOSAL_EXPIRED = "PROPOSAL_EXPIRED"
    PROPOSAL_USED = "PROPOSAL_USED"
    FORMAT_UNSUPPORTED = "FORMAT_UNSUPPORTED"
    BATCH_TOO_LARGE = "BATCH_TOO_LARGE"
    ENVELOPE_INVALID = "ENVELOPE_INVALID"
    EXPORT_FORBIDDEN = "EXPORT_FORBIDDEN"
    IMPORT_REFUSED = "IMPORT_REFUSED"
    ALGORITHM_UNSUPPORTED = "ALGORITHM_UNSUPPORTED"
    STREAM_INVALID = "STREAM_INVALID"
    CHALLENGE_USED = "CHALLENGE_USED"
    CHALLENGE_EXPIRED = "CHALLENGE_EXPIRED"
    CHALLENGE_MISMATCH = "CHALLENGE_MISMATCH"
    DEVICE_REVOKED = "DEVICE_REVOKED"
    REMOVAL_OVERDUE = "REMOVAL_OVERDUE"
    ATTESTATION_REQUIRED = "ATTESTATION_REQUIRED"
    VERDICT_REFUSED = "VERDICT_REFUSED"
    VERDICT_TOO_OLD = "VERDICT_TOO_OLD"
    VERDICT_INSUFFICIENT = "VERDICT_INSUFFICIENT"
    VERDICT_CHANGED = "VERDICT_CHANGED"
    ARCHIVE_INCOMPLETE = "ARCHIVE_INCOMPLETE"
    COMMITMENT_ERASED = "COMMITMENT_ERASED"
    COLLATERAL_INVALID = "COLLATERAL_INVALID"
    COLLATERAL_OUTDATED = "COLLATERAL_OUTDATED"
    ANCHOR_EXISTS = "ANCHOR_EXISTS"
    ANCHOR_BUILT_IN = "ANCHOR_BUILT_IN"
    POLICY_INVALID = "POLICY_INVALID"
    PQ_TLS_REQUIRED = "PQ_TLS_REQUIRED"
    ETAG_MISMATCH = "ETAG_MISMATCH"
    CURSOR_EPOCH = "CURSOR_EPOCH"
    TREE_SIZE_UNKNOWN = "TREE_SIZE_UNKNOWN"
    CERTIFICATE_UNKNOWN = "CERTIFICATE_UNKNOWN"
    ROLE_NOT_ALLOWED = "ROLE_NOT_ALLOWED"
    RPC_NOT_ALLOWED = "RPC_NOT_ALLOWED"
    RPC_UNKNOWN = "RPC_UNKNOWN"
    ACCESS_DENIED = "ACCESS_DENIED"
    ACCESS_FORBIDDEN = "ACCESS_FORBIDDEN"
    LOCKOUT = "LOCKOUT"
    TENANT_SUSPENDED = "TENANT_SUSPENDED"
    TENANT_UNKNOWN = "TENANT_UNKNOWN"
    TENANT_EXISTS = "TENANT_EXISTS"
    TOKEN_INVALID = "TOKEN_INVALID"  # noqa: S105
    TOKEN_EXPIRED = "TOKEN_EXPIRED"  # noqa: S105
    TOKEN_NOT_BOUND = "TOKEN_NOT_BOUND"  # noqa: S105
    ISSUER_UNAVAILABLE = "ISSUER_UNAVAILABLE"
    CLASSICAL_BUDGET_SPENT = "CLASSICAL_BUDGET_SPENT"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    TOO_MANY_CALLS = "TOO_MANY_CALLS"
    POSITION_INVALID = "POSITION_INVALID"
    RELEASE_EXISTS = "RELEASE_EXISTS"
    EPOCH_NOT_NEWER = "EPOCH_NOT_NEWER"
    ARTIFACT_REVOKED = "ARTIFACT_REVOKED"
    ARTIFACT_SUSPENDED = "ARTIFACT_SUSPENDED"
    ARTIFACT_SUPERSEDED = "ARTIFACT_SUPERSEDED"
    LEASE_REQUIRED = "LEASE_REQUIRED"
    DEVICE_KEY_MISSING = "DEVICE_KEY_MISSING"
    AUDIT_DIVERGED = "AUDIT_DIVERGED"
    RATE_LIMITED = "RATE_LIMITED"
    TOO_MANY_STREAMS = "TOO_MANY_STREAMS"
    QUEUE_FULL = "QUEUE_FULL"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    HSM_UNAVAILABLE = "HSM_UNAVAILABLE"
    DATABASE_UNAVAILABLE = "DATABASE_UNAVAILABLE"
    WITNESSES_UNAVAILABLE = "WITNESSES_UNAVAILABLE"
    SHUTTING_DOWN = "SHUTTING_DOWN"
    SIGNATURE_FAULT = "SIGNATURE_FAULT"
    INTERNAL = "INTERNAL"


class ServiceError(Exception):
    """Base of all errors a caller may see. `reason` is for machines, the text for people.

    `field` names the request field at fault; `resource` the resource; `retry_after_seconds` when trying again helps.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        field: str | None = None,
        resource: str | None = None,
        retry_after_seconds: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.field = field
        self.resource = resource
        self.retry_after_seconds = retry_after_seconds
        self.metadata = dict(metadata or {})


class InvalidArgument(ServiceError):
    """The request can not be right, whatever the state of the server."""


class NotFound(ServiceError):
    """There is no such thing, or the caller may not see it: the answer is the same."""


class AlreadyExists(ServiceError):
    """The thing to be made is there already."""


class FailedPrecondition(ServiceError):
    """The request is right, the state is not; trying again changes nothing."""


class Aborted(ServiceError):
    """Somebody else was faster: read again, then retry."""


class OutOfRange(ServiceError):
    """Past the end, or before the beginning, of what the server keeps."""


class Unauthenticated(ServiceError):
    """No usable identity in the client certificate."""


class PermissionDenied(ServiceError):
    """The identity is known and may not do this."""


class Unimplemented(ServiceError):
    """There is no such call here: a client newer than this server, or a stranger."""


class ResourceExhausted(ServiceError):
    """Over a limit; retry_after_seconds says when to come back."""


class DeadlineExceeded(ServiceError):
    """The caller's deadline, or the server's own for this RPC, passed."""


class Unavailable(ServiceError):
    """Nothing is wrong with the request: retry with the same request_id."""


class OutcomeUnknown(Unavailable):
    """The database went away during the commit: it may be stored or not. A repeated call finds out.

    Until then nothing may be undone that a stored row would need, such as the key pair of a new version.
    """


class InternalError(ServiceError):
    """A fault of ours. The metadata carries the call_id that the log lines carry too."""


def not_found(resource: str) -> NotFound:
    """The uniform answer for what is not there and for what the caller may not see."""
    return NotFound(Reason.RESOURCE_NOT_FOUND, f"{resource} was not found", resource=resource)
