"""How one signer process is, as far as the service knows without asking it."""

import enum
from dataclasses import dataclass


class SlotState(enum.StrEnum):
    STARTING = "STARTING"
    READY = "READY"
    FAILED = "FAILED"
    """Waits to start again; a FAILED slot of a pool that an operator must cure does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotHealth:
    number: int
    """From 0."""
    state: SlotState
    process_id: int | None
    starts: int
    """How often it was started; 1 for one that never failed."""
    waiting: int
    """Signatures in it right now."""
    probe_ms: float | None
    """Of its last real signature for `health()`; None before the first, and after one that failed."""
    problem: str | None
    """Code and text of its last failure; None when it never failed."""
