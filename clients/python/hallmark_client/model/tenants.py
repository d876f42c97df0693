"""Tenants: what each may use, and over which channels."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hallmark_client.model.enums import Sensitivity
from hallmark_client.model.log import LogPromise
from hallmark_client.model.result import Result


class TenantState(StrEnum):
    """SUSPENDED tenants are refused everything."""

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    UNKNOWN = "UNKNOWN"


class ChannelMode(StrEnum):
    """What is asked of post-quantum TLS: REQUIRE it for everything; PREFER it, others may do little; ALLOW does without
    but for the triggers.
    """

    REQUIRE = "REQUIRE"
    PREFER = "PREFER"
    ALLOW = "ALLOW"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotas(Result):
    """Of one tenant at each replica, keys and devices altogether. 0: the server's own limit only.

    rate_per_second: tokens; a small call takes one. concurrency: calls in progress. streams: held open. keys: not
    destroyed. devices: not revoked.
    """

    rate_per_second: float = 0
    concurrency: int = 0
    streams: int = 0
    keys: int = 0
    devices: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelTrigger(Result):
    """Post-quantum TLS is required where all of this fits. networks: CIDR; regions: names of the server's settings;
    empty: any.
    """

    networks: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    sensitivity: Sensitivity = Sensitivity.LOW


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRules(Result):
    """classical_*: with PREFER, what a session without post-quantum TLS may touch, and how many bytes it may move."""

    mode: ChannelMode = ChannelMode.PREFER
    classical_sensitivity: Sensitivity = Sensitivity.STANDARD
    classical_bytes_per_day: int = 64 * 1024 * 1024
    triggers: tuple[ChannelTrigger, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant(Result):
    """name: tenants/{tenant}. quotas, channel_rules: None where the server's defaults hold. reason: why it was
    suspended.
    """

    name: str
    display_name: str
    state: TenantState
    quotas: Quotas | None
    channel_rules: ChannelRules | None
    reason: str
    etag: str
    create_time: datetime
    update_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantChange(Result):
    """The answer to a change: the tenant as it is now."""

    tenant: Tenant
    log: LogPromise
    replayed: bool
