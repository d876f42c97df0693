"""Errors over the wire: apps catch what they would catch from a vault of their own."""

from collections.abc import Callable, Mapping
from typing import Final

from hallmark_client.device.agent.errors import AgentBusy, AgentFailed, AgentInvalid, AgentRefused, AgentUnavailable
from hallmark_client.device.agent.frames import TEXT_MAX, Members, pairs
from hallmark_client.device.errors import (
    ArtifactExists,
    ArtifactSuspended,
    ArtifactUnknown,
    ContentInvalid,
    DeviceError,
    LimitReached,
    PolicyViolation,
    RolledBack,
    RootLost,
    RootUnavailable,
    StoreFailed,
)
from hallmark_events.canonical import Json

_PLAIN: Final[Mapping[str, type[DeviceError]]] = {
    kind.__name__: kind
    for kind in (
        ArtifactExists,
        ArtifactSuspended,
        ArtifactUnknown,
        ContentInvalid,
        RolledBack,
        RootLost,
        RootUnavailable,
        StoreFailed,
    )
}
_OWNERS: Final = (RolledBack, RootLost, RootUnavailable, StoreFailed)
"""Their messages name files and chips of the owner of the vault."""
_FOR_THE_OWNER: Final = "the agent can not do this now: its log says why"
_VALUE: Final = "ValueError"
_RETRY_MAX: Final = 3_600_000


def error_json(error: Exception) -> dict[str, Json]:
    """What is not meant for apps becomes StoreFailed, without its text."""
    if isinstance(error, ValueError):
        return _written(_VALUE, message=str(error))
    if isinstance(error, PolicyViolation | AgentFailed) or type(error).__name__ in _PLAIN:
        assert isinstance(error, DeviceError)
        owners = isinstance(error, _OWNERS)
        return _written(
            type(error).__name__,
            reason=error.reason,
            message=_FOR_THE_OWNER if owners else error.message,
            metadata={} if owners else error.metadata,
            retry_after=error.retry_after_seconds or 0.0,
        )
    return _written("StoreFailed", reason="STORE_FAILED", message=_FOR_THE_OWNER)


def _written(
    kind: str, *, reason: str = "", message: str, metadata: Mapping[str, str] | None = None, retry_after: float = 0.0
) -> dict[str, Json]:
    readable = message.encode(errors="replace").decode()[:TEXT_MAX]
    return {
        "kind": kind,
        "message": readable,
        "metadata": pairs(metadata or {}),
        "reason": reason,
        "retry_after_ms": int(min(retry_after * 1000, _RETRY_MAX)),
    }


def read_error(found: Members) -> Exception:
    """The error itself, to be raised. Raises AgentInvalid."""
    found.only("kind", "message", "metadata", "reason", "retry_after_ms")
    kind, message, metadata = found.text("kind"), found.text("message"), found.pairs("metadata")
    seconds = found.number("retry_after_ms", at_most=_RETRY_MAX) / 1000
    if kind in _PLAIN:
        return _PLAIN[kind](found.text("reason"), message, metadata=metadata)
    if kind == "AgentBusy":
        return AgentBusy(message, retry_after_seconds=seconds)
    clause = metadata.get("clause", "")
    others: Mapping[str, Callable[[], Exception]] = {
        _VALUE: lambda: ValueError(message),
        "AgentInvalid": lambda: AgentInvalid(message),
        "AgentRefused": lambda: AgentRefused(message),
        "AgentUnavailable": lambda: AgentUnavailable(message),
        "LimitReached": lambda: LimitReached(clause, message),
        "PolicyViolation": lambda: PolicyViolation(clause, message),
    }
    if kind not in others:
        raise AgentInvalid("an error of an unknown kind")
    return others[kind]()
