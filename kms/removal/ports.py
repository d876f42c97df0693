"""What removals ask of the leases: until when a device may go on, and that it is given no more time."""

from datetime import datetime
from typing import Protocol

from sqlalchemy.engine import Connection

from kms.core.names import ChildName, DigestName


class Leases(Protocol):
    """Called inside the caller's transaction: short, no I/O."""

    def last_end(self, tx: Connection, device: ChildName, artifact: DigestName) -> datetime | None:
        """The latest end, grace included, of all leases the device was ever given for the artifact, those of consents
        that ended too: so long it may go on when it hears nothing. None without any.
        """

    def end_in(self, tx: Connection, device: ChildName, artifact: DigestName, now: datetime) -> None:
        """Ends every live lease of the two: none of them is renewed or extended any more."""

    def suspend_in(self, tx: Connection, device: ChildName) -> None:
        """The device is overdue: no public file prolongs any of its leases."""

    def resume_in(self, tx: Connection, device: ChildName, now: datetime) -> None:
        """It owes nothing any more."""
