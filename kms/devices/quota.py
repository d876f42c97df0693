"""How many devices a tenant may have: asked where one enrols for the first time."""

from typing import Protocol

from sqlalchemy.engine import Connection


class DeviceQuota(Protocol):
    def take(self, tx: Connection, tenant: str) -> None:
        """In the write transaction that makes the device, before it does. Raises ResourceExhausted/QUOTA_EXCEEDED."""


class NoQuota:
    """As many as they like."""

    def take(self, tx: Connection, tenant: str) -> None:
        """There is always room."""
