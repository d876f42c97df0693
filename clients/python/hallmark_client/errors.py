"""Every way a call or a check can fail, as one tree. Catch `HallmarkError` for all of them.

HallmarkError
├── InvalidArgument          the request can not be right (reason says which part)
│   ├── SignatureInvalid     a signature does not verify: by the server, or here
│   ├── EnvelopeInvalid      an envelope does not open; why is never said
│   ├── ChecksumMismatch     bytes changed on the way, either direction (CRC32C)
│   └── CursorInvalid        the server does not know this watch position: start from `revocations.snapshot()`
├── NotFound                 no such thing, or not yours to see
├── AlreadyExists            the key id is taken, or a request_id was used for another request
├── FailedPrecondition       the state is not right: key revoked, challenge used, ...
│   └── PostQuantumRequired  this connection has no post-quantum group; the same call passes over one that has
├── Aborted                  somebody changed it first: read again, then retry
├── Unauthenticated          the server does not know this client certificate
├── PermissionDenied         this identity may not do that
├── ResourceExhausted        over a limit; `retry_after_seconds` says when to come back
├── DeadlineExceeded         no answer in time
├── Unavailable              not reachable, shutting down, or its HSM is; retried already, within the deadline
├── TransportRefused         TLS failed: wrong certificate or wrong authority on either side. Never retried
├── Internal                 a fault of the server; metadata["call_id"] finds it in the server's log
├── ProfileInvalid           local: the profile folder is missing something or is readable by others
├── VerificationFailed       local: a proof, event or heartbeat is not what a trusted signer vouched for
└── ManifestInvalid          local: the folder or the manifest can not be used as it is
    └── ManifestMismatch     the folder is not what the manifest says: `changed`, `missing`, `extra`

`reason` is one UPPER_SNAKE word for programs (google.rpc.ErrorInfo, domain hallmark.v1); the message is for people.
"""

from collections.abc import Mapping, Sequence

import grpc


class HallmarkError(Exception):
    """Base of every error of this package.

    reason: UPPER_SNAKE, stable, for programs. message: one sentence for people; the server's own when it gave one.
    metadata: facts that belong to the reason. grpc_code: status of the call, None when no call was made.
    retry_after_seconds: set when the server said when to come back.
    """

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        grpc_code: grpc.StatusCode | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.metadata: dict[str, str] = dict(metadata or {})
        self.grpc_code = grpc_code
        self.retry_after_seconds = retry_after_seconds

    def __str__(self) -> str:
        return f"{self.message} [{self.reason}]"


class InvalidArgument(HallmarkError):
    """The request can not be right, whatever the state of the server."""


class SignatureInvalid(InvalidArgument):
    """The signature does not verify for this key, message and context."""


class EnvelopeInvalid(InvalidArgument):
    """Sealed to another key, with other info, or changed: the server does not tell which."""


class ChecksumMismatch(InvalidArgument):
    """CRC32C of what arrived is not CRC32C of what was sent. Send again; if it stays, suspect memory or a middlebox."""


class CursorInvalid(InvalidArgument):
    """CURSOR_INVALID: not a cursor of this server. CURSOR_EPOCH: its history was replaced. Start from a snapshot."""


class NotFound(HallmarkError):
    """There is no such thing, or this identity may not see it: the answer is the same."""


class AlreadyExists(HallmarkError):
    """KEY_EXISTS, or REQUEST_ID_REUSED when the same request_id came with another request."""


class FailedPrecondition(HallmarkError):
    """The request is right, the state is not; trying again changes nothing."""


class PostQuantumRequired(FailedPrecondition):
    """PQ_TLS_REQUIRED. metadata: the `rule` that asks for it, `tls_version` and `tls_group` as negotiated, and the
    `groups` that would do. A connection never changes its group: update grpcio, or what ends TLS in between, and
    connect again.
    """


class Aborted(HallmarkError):
    """ETAG_MISMATCH: it changed since it was read. Read again, decide again."""


class Unauthenticated(HallmarkError):
    """TLS holds, but the server knows no identity for this client certificate."""


class PermissionDenied(HallmarkError):
    """The identity is known and may not do this."""


class ResourceExhausted(HallmarkError):
    """Over a limit. `retry_after_seconds` says when to come back."""


class DeadlineExceeded(HallmarkError):
    """No answer in time. The act may have happened: repeat it with the same request_id to learn."""


class Unavailable(HallmarkError):
    """Nothing is wrong with the request. The client has retried already, with the same request_id."""


class TransportRefused(HallmarkError):
    """TLS was refused, by us (not our server's authority) or by the server (not its client's authority)."""


class Internal(HallmarkError):
    """A fault of the server, or an answer that makes no sense. metadata["call_id"] is in the server's log."""


class ProfileInvalid(HallmarkError):
    """The profile can not be used; the message says which file and what to do."""


class VerificationFailed(HallmarkError):
    """A proof, event or heartbeat does not hold. Do not act on what it says."""


class ManifestInvalid(HallmarkError):
    """The folder can not be described, or the bytes are not a manifest."""


class ManifestMismatch(ManifestInvalid):
    """The folder is not what the manifest says. Each list holds relative POSIX paths, sorted."""

    def __init__(self, *, changed: Sequence[str], missing: Sequence[str], extra: Sequence[str]) -> None:
        self.changed = tuple(changed)
        self.missing = tuple(missing)
        self.extra = tuple(extra)
        parts = [
            f"{len(paths)} {word} ({_some(paths)})"
            for word, paths in (("changed", self.changed), ("missing", self.missing), ("extra", self.extra))
            if paths
        ]
        super().__init__("MANIFEST_MISMATCH", f"the folder is not what the manifest says: {'; '.join(parts)}")


def _some(paths: Sequence[str]) -> str:
    """The first few paths; `repr` because a file name may hold line breaks or terminal escapes."""
    shown = ", ".join(repr(path) for path in paths[:5])
    return f"{shown}, ..." if len(paths) > 5 else shown
