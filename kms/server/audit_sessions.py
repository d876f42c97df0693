"""Tells the recorder of sessions (kms.audit.recorder) of every call."""

from dataclasses import dataclass
from typing import Final

from kms.audit.recorder import Recorder
from kms.core.clock import Clock
from kms.core.errors import Reason
from kms.server.audit import Entry
from kms.server.identity import AuthContext

_REFUSED: Final = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED"})
_NOT_ALLOWED: Final = "PERMISSION_DENIED"


@dataclass(frozen=True, slots=True)
class SessionObserver:
    """A kms.server.doors.Observer. Keeps of a stream what stands in its Entry, and no certificate."""

    recorder: Recorder
    clock: Clock

    def admitted(self, entry: Entry, auth: AuthContext) -> None:
        if entry.call is not None:
            certificate = entry.channel.peer_certificate or next(iter(auth.get("x509_pem_cert", ())), b"")
            entry.session, entry.certificate = self.recorder.admitted(entry.call, certificate)

    def finished(self, entry: Entry, outcome: str, reason: str) -> None:
        """Who did not get in has no session; the audit line tells of it."""
        if entry.call is None or not entry.session:
            return
        self.recorder.finished(
            entry.call,
            entry.session,
            entry.certificate,
            entry.asked,
            now=self.clock.now(),
            moved=entry.received + entry.sent,
            refused=outcome in _REFUSED or reason == Reason.PQ_TLS_REQUIRED,
            allowed=outcome != _NOT_ALLOWED,
        )
