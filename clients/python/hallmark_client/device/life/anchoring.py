"""The head of the device's own audit chain, put into the transparency log: what it says later must lead there."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from hallmark_client.device.audit import AuditHead
from hallmark_client.errors import FailedPrecondition
from hallmark_client.model.log import LogPromise
from hallmark_client.model.releases import Anchored
from hallmark_events.canonical import format_time

from .store import LifeStore

_FACT = "anchor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchoring:
    """head: of the chain now. anchor: asks the service, and waits for the proof. remember: in the chain itself."""

    store: LifeStore
    head: Callable[[], AuditHead]
    anchor: Callable[[AuditHead], Anchored]
    remember: Callable[[AuditHead, LogPromise], None]
    every: timedelta

    @property
    def size(self) -> int:
        """Entries that the log vouches for."""
        found = self.store.fact(_FACT)
        return 0 if found is None else int(found["size"])

    def run(self) -> float:
        """Anchors what is new. Seconds until the next time. Raises HallmarkError."""
        head = self.head()
        if head.size > self.size:
            answer = self._asked(head)
            self.remember(head, answer.log)
            self.store.keep_fact(_FACT, {"size": head.size, "time": format_time(answer.time)})
        return self.every.total_seconds()

    def _asked(self, head: AuditHead) -> Anchored:
        try:
            return self.anchor(head)
        except FailedPrecondition as error:
            # AUDIT_DIVERGED: asked again at once, it would only fill the log.
            error.retry_after_seconds = self.every.total_seconds()
            raise
