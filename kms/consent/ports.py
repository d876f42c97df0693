"""What leases ask of others: which devices may hold anything, which artifacts are withheld."""

from typing import Protocol

from sqlalchemy.engine import Connection

from kms.core.names import ChildName, DigestName


class Holders(Protocol):
    """kms.devices answers. Inside the caller's transaction: short, no I/O."""

    def trusted(self, tx: Connection, devices: frozenset[ChildName]) -> frozenset[ChildName]:
        """Those that are attested, whose newest verdict is positive, and that were not revoked."""

    def check_known(self, tx: Connection, device: ChildName) -> None:
        """Raises the uniform not-found, and FailedPrecondition/DEVICE_REVOKED."""


class Artifacts(Protocol):
    """kms.artifacts answers. Inside the caller's transaction: short, no I/O."""

    def withheld(self, tx: Connection, artifacts: frozenset[DigestName]) -> frozenset[DigestName]:
        """Those that are revoked or suspended. An artifact that nobody has spoken about is not."""

    def hold(self, tx: Connection, artifacts: frozenset[DigestName]) -> None:
        """Until this transaction ends nobody revokes, suspends or resumes them. Look at them after this. Call it before
        a consent is locked: who releases keys takes them in this order.
        """

    def hold_all(self, tx: Connection, tenant: str) -> None:
        """As `hold`, for all of a tenant: for batches."""
