"""What the demonstration found out, each from what happened."""

from dataclasses import dataclass, fields
from typing import Any


@dataclass(slots=True)
class Findings:
    """Filled step by step; None is what did not happen. The names are those of `hallmark demo --json`."""

    signed_files: int | None = None
    offline_verified: bool | None = None
    rotated: bool | None = None
    attested: bool | None = None
    tampered_refused: bool | None = None
    revocation_latency_ms: float | None = None
    release_published: bool | None = None
    tampered_release_refused: bool | None = None
    unconsented_refused: bool | None = None
    update_installed: bool | None = None
    update_latency_ms: float | None = None
    removal_proven: bool | None = None
    removal_latency_ms: float | None = None
    receipt_grade: str | None = None
    restarted_without_loss: bool | None = None
    log_size: int | None = None
    inclusion_verified: bool | None = None
    consistency_verified: bool | None = None
    tls_group: str | None = None
    engine: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def missing(self) -> list[str]:
        """What did not happen or did not hold."""
        return [name for name, value in self.to_dict().items() if not value]
