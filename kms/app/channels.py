"""Channel rules: facts about keys, the door, and what classical sessions have moved."""

from dataclasses import dataclass

from kms.config_channels import ChannelsConfig
from kms.core.clock import Clock
from kms.core.database import Database
from kms.keys.facts import KeyFacts
from kms.server.channel_facts import ForgetsChangedKeys
from kms.server.channel_use import ClassicalUse
from kms.server.channels import ChannelPolicy
from kms.server.doors import Observer


@dataclass(frozen=True, slots=True)
class ChannelParts:
    """`facts` is for access policies too. `use.run` in the background; `use.flush` once more when the last call is
    over. `observers` belong to the doors.
    """

    facts: KeyFacts
    door: ChannelPolicy
    use: ClassicalUse
    observers: tuple[Observer, ...]


def make_channels(settings: ChannelsConfig, database: Database, clock: Clock, *, require_pq_tls: bool) -> ChannelParts:
    facts = KeyFacts(database, clock)
    use = ClassicalUse(database, clock, interval_seconds=settings.use_interval_seconds)
    door = ChannelPolicy(require_pq_tls=require_pq_tls, regions=settings.regions, facts=facts, use=use)
    return ChannelParts(facts, door, use, (use, ForgetsChangedKeys(facts.forget)))
