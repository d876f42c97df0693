"""The refusal of what is over a limit: whose limit it is, which, and when to come back.

google.rpc.QuotaFailure and RetryInfo are made of it (kms.server.errors). It tells a caller about limits of its own and
of its own tenant; of the load that others make it says nothing, not even a number.
"""

from dataclasses import dataclass

from kms.core.errors import Reason, ResourceExhausted


@dataclass(frozen=True, slots=True)
class Limit:
    """`subject`: caller:{SPIFFE id} or tenant:{id}. `metric`: what is counted, such as hallmark.v1/calls. `id`: which
    limit of that. `value`: where it stands, None where that would tell of others.
    """

    subject: str
    metric: str
    id: str
    value: int | None = None

    @classmethod
    def of_caller(cls, spiffe_id: str, metric: str, limit_id: str, value: int | None = None) -> "Limit":
        return cls(f"caller:{spiffe_id}", f"hallmark.v1/{metric}", limit_id, value)

    @classmethod
    def of_tenant(cls, tenant: str, metric: str, limit_id: str, value: int | None = None) -> "Limit":
        return cls(f"tenant:{tenant}", f"hallmark.v1/{metric}", limit_id, value)


class LimitExceeded(ResourceExhausted):
    """`retry_after_seconds` is always set."""

    def __init__(self, reason: Reason, message: str, limit: Limit, *, retry_after_seconds: float) -> None:
        metadata = {"limit": limit.id}
        if limit.value is not None:
            metadata["value"] = str(limit.value)
        super().__init__(reason, message, retry_after_seconds=retry_after_seconds, metadata=metadata)
        self.limit = limit
