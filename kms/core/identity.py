"""Who calls: read from the client certificate by the server, handed down as an argument."""

from dataclasses import dataclass
from enum import StrEnum

from kms.core.errors import not_found


class Role(StrEnum):
    ADMIN = "admin"
    BACKEND = "backend"
    AUDITOR = "auditor"
    DEVICE = "device"


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated peer. `spiffe_id` is spiffe://{trust domain}/tenants/{tenant}/{role}/{name}."""

    spiffe_id: str
    tenant: str
    role: Role
    name: str

    def may_see(self, tenant: str, resource: str) -> None:
        """Raises the uniform not-found when the resource is another tenant's."""
        if tenant != self.tenant:
            raise not_found(resource)
