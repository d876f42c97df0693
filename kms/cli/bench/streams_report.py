"""What `hallmark bench streams` found, and how it is told."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Final

from kms.cli.bench.report import rounded

HEADER: Final = ("", "KIB A STREAM", "CONNECTS/S", "P50 MS", "P99 MS", "CPU US/EVENT", "IDLE CPU %", "RECONNECT S")


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """One server. Fan-out: milliseconds from before the act that causes the event, its signature, log entry and commit
    included, to its arrival at a subscriber; `fanout_last_ms`: to the last one, median of the events.

    rss_per_stream_kib: growth of the server's resident memory by a stream, both ends of the socket's kernel memory not
    counted. connect_s: until everybody has the first bookmarks. cancelled: streams that ended, or never began, though
    no subscriber had closed them; `causes` says of what. idle_cpu_percent: of one core, heartbeats included.
    server_fanout_ms: from the first to the last stream that the server began to write an event to, the part of
    fanout_last_ms that is its own. delivered: events times subscribers, at each replica. delivery_cpu_us: of the
    server, the bookmark after the events included; client_delivery_cpu_us: of the load generator.
    """

    server: str
    mtls: bool
    replicas: int
    subscribers: int
    rss_per_stream_kib: float
    connect_s: float
    connect_cpu_us: float
    idle_cpu_percent: float
    events: int
    fanout_p50_ms: float
    fanout_p99_ms: float
    fanout_last_ms: float
    server_fanout_ms: float | None
    delivered: list[int]
    delivery_cpu_us: float
    client_delivery_cpu_us: float
    reconnect_s: float | None
    cancelled: int
    causes: dict[str, int]
    lost: int
    duplicated: int

    def to_dict(self) -> dict[str, Any]:
        """Without the times of events when none came."""
        document: dict[str, Any] = rounded(asdict(self))
        return {name: None if value == math.inf else value for name, value in document.items()}

    def row(self) -> tuple[str, ...]:
        return (
            f"{self.server}, {'mutual TLS' if self.mtls else 'no TLS'}",
            f"{self.rss_per_stream_kib:.1f}",
            f"{self.subscribers / self.connect_s:.0f}",
            f"{self.fanout_p50_ms:.0f}",
            f"{self.fanout_p99_ms:.0f}",
            f"{self.delivery_cpu_us:.0f}",
            f"{self.idle_cpu_percent:.1f}",
            "" if self.reconnect_s is None else f"{self.reconnect_s:.1f}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamsReport:
    """`compared`: servers with less in them, measured in the same run: ratios hold across machines, times do not."""

    cores: int
    found: Streams
    compared: tuple[Streams, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        compared = [each.to_dict() for each in self.compared]
        return {**self.found.to_dict(), "cores": self.cores, "compared": compared}

    def rows(self) -> list[tuple[str, ...]]:
        return [each.row() for each in (*self.compared, self.found)]
