"""What a watcher holds, for looking at."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hallmark_client.model.result import Result
from hallmark_client.watch.frames import Feed
from hallmark_client.watch.held import Held
from hallmark_events.types import StatusValue


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldSubject(Result):
    """What decides about one subject now. own: the members of hallmark.v1 of its newest event."""

    feed: Feed
    subject: str
    status: StatusValue
    jti: str
    uri: str
    revision: int
    own: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSnapshot(Result):
    """subjects: by feed and name. listed: statuses that status lists tell. proven_time: it is at least so late."""

    subjects: tuple[HeldSubject, ...]
    listed: Mapping[str, StatusValue]
    epochs: Mapping[str, str]
    sequences: Mapping[str, int]
    fresh_at: datetime | None
    proven_time: datetime

    def get(self, subject: str) -> HeldSubject | None:
        return next((one for one in self.subjects if one.subject == subject), None)


def snapshot_of(held: Held, proven_time: datetime) -> WatchSnapshot:
    return WatchSnapshot(
        subjects=tuple(
            HeldSubject(
                feed=feed,
                subject=subject,
                status=entry.status,
                jti=entry.jti,
                uri=entry.uri,
                revision=entry.revision,
                own=entry.own,
            )
            for feed, subject, entry in held.subjects()
        ),
        listed=dict(held.lists.listed),
        epochs={feed.value: one.state.epoch.hex() for feed, one in held.feeds.items()},
        sequences={feed.value: one.state.sequence for feed, one in held.feeds.items()},
        fresh_at=held.clock.trusted.fresh_at,
        proven_time=proven_time,
    )
