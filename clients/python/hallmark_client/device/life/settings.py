"""How a device lives: everything with a default."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from hallmark_client.client import Client
from hallmark_client.profile import Profile
from hallmark_client.system import System
from hallmark_client.watch.clocks import DeviceClock

from .feeds import FeedSettings


def _client(profile: Profile) -> Client:
    return Client(profile)


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeSettings:
    """look_every: between two looks at the whole vault; changes are acted on at once. anchor_every: of the audit
    chain's head, beside each batch of receipts. files_url: of the public files, None: what the registration says, ""
    for none. connect: makes a client of a profile.
    """

    feeds: FeedSettings = field(default_factory=FeedSettings)
    look_every: timedelta = timedelta(seconds=30)
    anchor_every: timedelta = timedelta(days=1)
    files_url: str | None = None
    connect: Callable[[Profile], Client] = _client
    system: System = field(default_factory=System)
    clock: DeviceClock = field(default_factory=DeviceClock)
