"""Facts about keys are remembered for a second; after a call of this replica that changes some they are read again."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from kms.server.audit import Entry

_CHANGING: Final = frozenset(
    f"/hallmark.v1.KeyService/{name}" for name in ("CreateKey", "ImportKey", "UpdateKey", "SetAlias", "DeleteAlias")
)


@dataclass(frozen=True, slots=True)
class ForgetsChangedKeys:
    """A kms.server.doors.Observer. Told before the caller has the answer, so a caller's next call sees the change."""

    forget: Callable[[], None]

    def admitted(self, entry: Entry, auth: object) -> None:
        """Nothing has changed yet."""

    def finished(self, entry: Entry, outcome: str, reason: str) -> None:  # noqa: ARG002
        """Whatever the outcome: a call that ended in an error may have taken effect."""
        if entry.method in _CHANGING:
            self.forget()
