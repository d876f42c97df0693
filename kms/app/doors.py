"""What the guard asks, as settings want it."""

from kms.config import Config
from kms.core.clock import Clock
from kms.server.doors import Doors, Standing
from kms.server.identity import MutualTls
from kms.server.limits import Limits, RateLimit, StreamLimit
from kms.server.plain_doors import plain_doors


def make_doors(config: Config, standing: Standing, clock: Clock) -> Doors:
    settings = config.server
    rate = RateLimit(settings.rate_per_second, clock, device_rate_per_second=settings.device_rate_per_second)
    streams = StreamLimit(per_caller=settings.streams_per_caller, total=settings.streams_total)
    return plain_doors(
        MutualTls(settings.trust_domain),
        Limits(rate, streams),
        standing,
        require_pq_tls=settings.require_pq_tls,
    )
