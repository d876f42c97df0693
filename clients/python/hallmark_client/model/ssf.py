"""Receivers of shared signals."""

from dataclasses import dataclass, field
from datetime import datetime

from hallmark_client.model.result import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class SsfReceiver(Result):
    """A server that may hear of events. audience: the aud of what it is sent.

    stream_status: "enabled", "paused", "disabled"; empty while it has no stream, then delivery is empty too. delivery:
    "push" or "poll". pending: events that wait for it.
    """

    name: str
    audience: str
    create_time: datetime
    stream_status: str
    delivery: str
    pending: int
    last_delivery_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedSsfReceiver(Result):
    """token: what the receiver authenticates with; shown this once, and empty when replayed."""

    receiver: SsfReceiver
    token: str = field(repr=False)
    replayed: bool
