"""What applying events to a state came to."""

from dataclasses import dataclass
from enum import Enum

from hallmark_events.types import StatusValue


class Ignore(Enum):
    """Why an event changed nothing."""

    REPEATED = "repeated"
    """The same jti is the newest one known."""
    OLD_REVISION = "old revision"
    ENDED = "ended"
    """The subject is INVALID for ever."""
    NOT_LATER = "not later"
    """It would lift a suspension of another history, and was made before that."""


@dataclass(frozen=True, slots=True)
class Applied:
    """The subject's status went from `before` (None: nothing was known) to `after`."""

    subject: str
    before: StatusValue | None
    after: StatusValue


@dataclass(frozen=True, slots=True)
class Ignored:
    """Nothing changed for the caller; not an error, and to be acknowledged like the others."""

    subject: str
    why: Ignore


@dataclass(frozen=True, slots=True)
class Staged:
    """Part of a full transfer; takes effect at its commit."""

    subject: str


@dataclass(frozen=True, slots=True)
class Change:
    """One difference that a full transfer made. `after` is None for what is gone."""

    subject: str
    before: StatusValue | None
    after: StatusValue | None


@dataclass(frozen=True, slots=True)
class Committed:
    """A full transfer took effect. `kept`: subjects whose restriction holds though the feed tells it no more."""

    changes: tuple[Change, ...]
    kept: tuple[str, ...]
