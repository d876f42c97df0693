"""What the guard asks, as settings want it."""

from kms.config import Config
from kms.core.clock import Clock
from kms.server.audit import AuditLines
from kms.server.doors import AccessDoor, ChannelDoor, Doors, Identifier, Observer, Standing, TenantDoor
from kms.server.limits import CallLimit, Limits, RateLimit, StreamLimit
from kms.server.resources import asked_of


def make_limits(config: Config, clock: Clock) -> Limits:
    settings, limits = config.server, config.limits
    return Limits(
        RateLimit(settings.rate_per_second, clock, device_rate_per_second=settings.device_rate_per_second),
        StreamLimit(per_caller=settings.streams_per_caller, total=settings.streams_total),
        CallLimit(per_caller=limits.calls_per_caller, total=limits.calls_total),
    )


def make_doors(
    *,
    identifier: Identifier,
    tenants: TenantDoor,
    limits: Limits,
    access: AccessDoor,
    channels: ChannelDoor,
    standing: Standing,
    observers: tuple[Observer, ...],
) -> Doors:
    """The audit lines come last: what the other observers find out of a call is in them."""
    return Doors(
        identifier=identifier,
        tenants=tenants,
        limits=limits,
        access=access,
        channels=channels,
        standing=standing,
        observers=(*observers, AuditLines()),
        asked=asked_of,
    )
