"""What a policy is asked about: an operation on an artifact, and the facts that its clauses need."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from hallmark_client.device.model import Artifact, Caller, Enforcement
from hallmark_client.device.roots.port import RootFacts
from hallmark_client.model.result import Result

_STRENGTH: Final = tuple(Enforcement)
"""Strongest first."""


class Operation(StrEnum):
    GET = "get"
    PUT = "put"
    DELETE = "delete"
    LIST = "list"


class Uses(Protocol):
    """How often artifacts were used; uses.UseCounts is the one in a vault."""

    def spent(self, artifact_id: str, window_seconds: int | None, now: datetime) -> int:
        """In the window that ends now; None: ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held(Result):
    """How the vault holds the artifact at this moment.

    readers: open ones, without the one that is asked for. sealed_uses, sealed_until: the limits under which the root of
    trust itself sealed the artifact's key, as they were given to it; None: without that limit.
    """

    readers: int = 0
    sealed_uses: int | None = None
    sealed_until: datetime | None = None


NOTHING_HELD: Final = Held()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One question. now: of the trusted-time floor, aware."""

    artifact: Artifact
    caller: Caller
    operation: Operation
    root: RootFacts
    uses: Uses
    now: datetime
    held: Held = NOTHING_HELD


def at_least(found: Enforcement, demanded: Enforcement) -> bool:
    """Hardware counts where the platform was demanded, not the other way round."""
    return _STRENGTH.index(found) <= _STRENGTH.index(demanded)
