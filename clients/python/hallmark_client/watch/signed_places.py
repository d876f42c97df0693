"""How far each feed has come by what the service has signed: heartbeats, and manifests of the global feed.

Everything else about a place, the epoch of an intent and the sequence of a bookmark, is told by whoever answers. It is
gone by, and binds nobody: one lie would have this device refuse the truth for ever, or pass over files as too old.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hallmark_client.watch.frames import Feed
from hallmark_client.watch.held import Held, HeldFeed
from hallmark_events.errors import RolledBack
from hallmark_events.heartbeat import FeedHead

_NONE: Final = (b"", 0)


@dataclass(slots=True)
class SignedPlaces:
    """Kept in `held.clock.signed`, and stored with it."""

    held: Held

    def bind(self, feed: HeldFeed, epoch: bytes) -> None:
        """Before the feed goes on in the history `epoch`. Raises RolledBack for one before the last that was signed."""
        signed_epoch, signed_sequence = self.held.clock.signed.get(feed.feed, _NONE)
        if epoch < signed_epoch:
            raise RolledBack("the feed goes on in an earlier history than the service has signed")
        state = feed.state
        if epoch < state.epoch:
            state.leave_history()
        elif epoch == state.epoch:
            state.sequence = min(state.sequence, signed_sequence if epoch == signed_epoch else 0)

    def note(self, feed: Feed, epoch: bytes, sequence: int) -> bool:
        """The service has signed that this history has come so far. Whether the history is new. Raises RolledBack."""
        clock = self.held.clock
        before = clock.signed.get(feed, _NONE)
        if epoch < before[0]:
            raise RolledBack("the service speaks of an earlier history than it has signed before")
        furthest = max(before, (epoch, sequence))
        self.held.clock = dataclasses.replace(clock, signed={**clock.signed, feed: furthest})
        return epoch != before[0]

    def note_all(self, heads: Mapping[str, FeedHead]) -> bool:
        """Those of a heartbeat; whether one of them is new."""
        new = [name for name, head in heads.items() if self.note(Feed(name), head.epoch, head.sequence)]
        return bool(new)
