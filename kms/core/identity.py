"""Who calls: read from the client certificate by the server, handed down as an argument."""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, Self

from kms.core.errors import not_found
from kms.core.names import UUID_PATTERN, ChildName

CERTIFICATE_NAME_PREFIX: Final = "d-"
"""Before a device's id in the SPIFFE name of its certificate: names begin with a letter."""
_DEVICE_NAME: Final = re.compile(f"{CERTIFICATE_NAME_PREFIX}({UUID_PATTERN})")


class Role(StrEnum):
    ADMIN = "admin"
    BACKEND = "backend"
    AUDITOR = "auditor"
    DEVICE = "device"
    EDGE = "edge"  # a process of the service without an HSM (kms.edge); of no tenant but the operators'


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated peer. `spiffe_id` is spiffe://{trust domain}/tenants/{tenant}/{role}/{name}; of a workload of
    another trust domain, its own URI. One caller has one, and no two callers have the same.

    `authentication`: mtls, oidc, or mtls+oidc for a token that is bound to the client certificate. `expires`: when
    certificate or token end. `certificate`: of the client certificate what a CRL can name; empty without one.
    """

    spiffe_id: str
    tenant: str
    role: Role
    name: str
    authentication: str = "mtls"
    expires: datetime | None = None
    certificate: str = ""

    def may_see(self, tenant: str, resource: str) -> None:
        """Raises the uniform not-found when the resource is another tenant's."""
        if tenant != self.tenant:
            raise not_found(resource)

    def until(self, expires: datetime) -> Self:
        """The same caller, for no longer than that."""
        return replace(self, expires=expires if self.expires is None else min(self.expires, expires))


def device_of(caller: Caller) -> ChildName | None:
    """The attested device whose certificate the caller has; None for everybody else."""
    found = _DEVICE_NAME.fullmatch(caller.name) if caller.role is Role.DEVICE else None
    return None if found is None else ChildName(caller.tenant, "devices", found[1])
