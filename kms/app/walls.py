"""What stands around every RPC: who calls, for which tenant, how much, what, over which channel; and who is told."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Self

from kms.app.access import AccessRules, make_access_rules
from kms.app.audit import Audit
from kms.app.channels import ChannelParts, make_channels
from kms.app.doors import make_doors, make_limits
from kms.app.tenants import make_terms
from kms.config import Config
from kms.core.clock import Clock
from kms.core.database import Database
from kms.core.randomness import Randomness
from kms.devices.standing import DeviceStanding
from kms.server.doors import Doors, Identifier, Observer
from kms.tenants.terms import TenantTerms


@dataclass(frozen=True, slots=True)
class Walls:
    """`doors` go to the guard; features ask the other parts."""

    doors: Doors
    standing: DeviceStanding
    terms: TenantTerms
    channels: ChannelParts
    access: AccessRules
    audit: Audit

    @classmethod
    def build(
        cls,
        config: Config,
        database: Database,
        clock: Clock,
        randomness: Randomness,
        *,
        identifier: Identifier,
        observers: tuple[Observer, ...],
        log_origin: str | None,
    ) -> Self:
        """`observers`: those that are there before. `log_origin`: see Audit; None at an edge."""
        standing, terms = DeviceStanding(database, clock), make_terms(config.tenants, database, clock)
        channels = make_channels(config.channels, database, clock, require_pq_tls=config.server.require_pq_tls)
        audit = Audit(config.audit, database=database, clock=clock, randomness=randomness, log_origin=log_origin)
        access = make_access_rules(database, clock, channels.facts)
        doors = make_doors(
            identifier=identifier,
            tenants=terms,
            limits=make_limits(config, clock),
            access=access,
            channels=channels.door,
            standing=standing,
            observers=(*observers, audit.observer, *channels.observers),
        )
        return cls(doors, standing, terms, channels, access, audit)

    def run(self, spawn: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        """What goes on until the server stops."""
        spawn(self.access.decisions.source.run())
        spawn(self.channels.use.run())
        spawn(self.audit.run())

    async def close(self) -> None:
        """After the last call, before the database closes: what was counted is kept."""
        await self.channels.use.flush()
        await self.audit.close()
