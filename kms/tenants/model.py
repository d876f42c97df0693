"""Tenants: what each may use of the service, and over which channels."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from kms.core.names import TenantName
from kms.core.resources import Sensitivity
from kms.keys.model import etag_of

KEYS: Final = "keys"
DEVICES: Final = "devices"
"""What quotas count."""


class TenantState(StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"


class ChannelMode(StrEnum):
    """Of post-quantum TLS."""

    REQUIRE = "require"
    PREFER = "prefer"
    ALLOW = "allow"


@dataclass(frozen=True, slots=True)
class Trigger:
    """Post-quantum TLS is required where all that is said here fits. `networks` are CIDR; `regions` are names that the
    settings give to networks. Empty: any.
    """

    networks: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    sensitivity: Sensitivity = Sensitivity.LOW


@dataclass(frozen=True, slots=True)
class ChannelRules:
    """Which sessions without a post-quantum group may do what.

    With PREFER they may touch what is `classical_sensitivity` or below, until they have moved `classical_bytes_per_day`
    (requests and answers of one caller). With ALLOW they are as good as others, but for the triggers.
    """

    mode: ChannelMode = ChannelMode.PREFER
    classical_sensitivity: Sensitivity = Sensitivity.STANDARD
    classical_bytes_per_day: int = 64 * 1024 * 1024
    triggers: tuple[Trigger, ...] = ()


@dataclass(frozen=True, slots=True)
class Quotas:
    """Of one tenant, at each replica; 0: no limit beside the server's own. Rates are tokens a second (a small call
    takes one), `concurrency` counts calls in progress.
    """

    rate_per_second: float = 0
    concurrency: int = 0
    streams: int = 0
    keys: int = 0
    devices: int = 0


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for a tenant now."""

    tenant: str
    quotas: Quotas = Quotas()
    channels: ChannelRules = ChannelRules()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """`quotas`, `channels`: None where the server's defaults hold. `reason`: why it was suspended, empty when it is
    not. `revision` counts the changes from 1.
    """

    name: TenantName
    display_name: str
    state: TenantState
    quotas: Quotas | None
    channels: ChannelRules | None
    reason: str
    revision: int
    create_time: datetime
    update_time: datetime

    @property
    def etag(self) -> str:
        """Changes with every change of the tenant."""
        return etag_of(str(self.name), self.revision)
