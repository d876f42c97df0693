"""What the demonstration of two replicas found out, each from what happened."""

from dataclasses import dataclass, fields
from typing import Any


@dataclass(slots=True)
class ReplicaFindings:
    """Filled step by step; None is what did not happen. The names are those of `--json`.

    Seconds: `recovery_seconds` from the SIGKILL to the first signature that was asked for after it;
    `longest_wait_seconds` of any caller for one signature; `restart_seconds` until the killed replica served again.
    """

    replicas: int | None = None
    database: str | None = None
    one_answer: bool | None = None
    signatures: int | None = None
    failed_calls: int | None = None
    lost: int | None = None
    recovery_seconds: float | None = None
    longest_wait_seconds: float | None = None
    restart_seconds: float | None = None
    watchers: int | None = None
    watchers_moved: int | None = None
    revocation_latency_ms: float | None = None
    refused_at_other: bool | None = None
    refused_after_ms: float | None = None
    log_size: int | None = None
    inclusion_verified: bool | None = None
    consistency_verified: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def missing(self) -> list[str]:
        """What did not happen or did not hold."""
        none_is_right = {"failed_calls", "lost"}
        return [name for name, value in self.to_dict().items() if (value != 0 if name in none_is_right else not value)]
