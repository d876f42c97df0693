"""Metrics of the database as this process sees it, of witnesses, feeds and certificates."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from prometheus_client import CollectorRegistry, Gauge, Histogram

from kms.log.witnesses.pursuit import Standing, WitnessHealth

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


class DatabaseMetrics:
    """`committed` is told by the writer's thread."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "hallmark_db_commit_seconds",
            "Write transactions, from their beginning to their commit; callers share them.",
            buckets=SECONDS,
            registry=registry,
        )
        self.up = Gauge("hallmark_db_up", "1: the database answered a query just now.", registry=registry)
        self.writes_up = Gauge(
            "hallmark_db_writes_up", "1: the last write transaction was stored, and soon.", registry=registry
        )
        self._waiting = Gauge(
            "hallmark_db_writes_waiting", "Writes whose transaction has not begun.", registry=registry
        )

    def committed(self, seconds: float) -> None:
        self._seconds.observe(seconds)

    def watch(self, writes_waiting: Callable[[], int]) -> None:
        self._waiting.set_function(writes_waiting)


class WitnessMetrics:
    """Of the policy's witnesses, by their names there."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._up = Gauge(
            "hallmark_witness_up", "1: this witness cosigned when it was asked last.", ("name",), registry=registry
        )
        self._behind = Gauge(
            "hallmark_witness_behind_entries",
            "Published entries that this witness has not cosigned yet.",
            ("name",),
            registry=registry,
        )

    def tell(self, witnesses: Sequence[WitnessHealth], published_size: int) -> None:
        for witness in witnesses:
            self._up.labels(witness.name).set(witness.standing is Standing.COSIGNS)
            self._behind.labels(witness.name).set(max(0, published_size - witness.size))


class FeedMetrics:
    """Of the hub."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._subscribers = Gauge(
            "hallmark_feed_subscribers", "Streams of events that are served now.", registry=registry
        )

    def watch(self, subscribers: Callable[[], int]) -> None:
        self._subscribers.set_function(subscribers)


class CertificateMetrics:
    """`which` is server or authority."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._left = Gauge(
            "hallmark_certificate_expiry_seconds",
            "Until this certificate ends; negative: it has ended.",
            ("which",),
            registry=registry,
        )

    def tell(self, ends: Mapping[str, datetime], now: datetime) -> None:
        for which, end in ends.items():
            self._left.labels(which).set((end - now).total_seconds())
