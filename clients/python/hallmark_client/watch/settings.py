"""How a watcher watches: everything with a default."""

from dataclasses import dataclass, field
from datetime import timedelta

from hallmark_client.errors import InvalidArgument
from hallmark_client.system import System
from hallmark_client.watch.clocks import DeviceClock
from hallmark_client.watch.frames import Feed
from hallmark_client.watch.ladder import Rung
from hallmark_events.trust import LogTrust, TrustedKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSettings:
    """trusted_keys: by full key version name, of tenants/system/keys/revocation-events; may be a mapping that fetches.
    log_policy: a tlog-policy with its witnesses, or the log's verifier keys. issuer: "iss" of events; None: any.
    device: id of this device: leases for another allow nothing here. None: not known, and leases for any count.

    heartbeat: 1 s .. 5 min. poll_every, files_every: between two questions on these rungs, varied by a fifth.
    stale_after: without proof that state is current for so long, the status is STALE (leases have limits of their own).
    begin_with: POLL for apps in the background, FILES for devices without the API.
    feeds: the device's own is for devices only; back offices watch the global one.
    """

    trusted_keys: TrustedKeys = field(repr=False)
    log_policy: LogTrust = field(repr=False)
    issuer: str | None = None
    device: str | None = None
    feeds: tuple[Feed, ...] = (Feed.GLOBAL, Feed.DEVICE)
    begin_with: Rung = Rung.STREAM
    heartbeat: timedelta = timedelta(seconds=30)
    poll_every: timedelta = timedelta(seconds=30)
    files_every: timedelta = timedelta(minutes=5)
    stale_after: timedelta = timedelta(hours=1)
    max_events: int = 100
    wait_in_poll: bool = True
    """The server holds a question back until there is an event, for 20 s at most."""
    system: System = field(default_factory=System)
    clock: DeviceClock = field(default_factory=DeviceClock)

    def __post_init__(self) -> None:
        if not timedelta(seconds=1) <= self.heartbeat <= timedelta(minutes=5):
            raise InvalidArgument("FIELD_INVALID", "heartbeat is 1 second to 5 minutes")
        if not self.feeds or len(set(self.feeds)) != len(self.feeds):
            raise InvalidArgument("FIELD_INVALID", "feeds names one or both feeds, each once")
        if not 1 <= self.max_events <= 1000:
            raise InvalidArgument("FIELD_INVALID", "max_events is 1 to 1000")

    def varied(self, span: timedelta) -> float:
        """Seconds, a fifth more or less."""
        return span.total_seconds() * (0.8 + 0.4 * self.system.jitter())
