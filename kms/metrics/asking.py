"""Metrics that are asked for when a scraper comes: each group asks its part, all at once, at most once a second."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from prometheus_client import CollectorRegistry, Gauge

from kms.core.clock import Clock
from kms.metrics.registry import as_text

_logger = logging.getLogger(__name__)
FRESH_SECONDS: Final = 1.0
LATE_SECONDS: Final = 4.0


class Asking:
    """`add` groups before the server serves."""

    def __init__(self, registry: CollectorRegistry, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock
        self._groups: dict[str, Callable[[], Awaitable[None]]] = {}
        self._silent: set[str] = set()
        self._lock = asyncio.Lock()
        self._text = b""
        self._asked_at: float | None = None
        self._unread = Gauge(
            "hallmark_metrics_unread",
            "1: this group of metrics could not be read just now, its values are those of before.",
            ("group",),
            registry=registry,
        )

    def add(self, group: str, read: Callable[[], Awaitable[None]]) -> None:
        """`read` sets its metrics; what it raises is logged once, and told by hallmark_metrics_unread."""
        self._groups[group] = read
        self._unread.labels(group).set(0)

    async def text(self) -> bytes:
        """Prometheus' text format. Never raises, and takes a few seconds at most."""
        async with self._lock:
            now = self._clock.monotonic()
            if self._asked_at is None or now - self._asked_at >= FRESH_SECONDS:
                await asyncio.gather(*(self._read(*group) for group in self._groups.items()))
                self._text = as_text(self._registry)
                self._asked_at = now
            return self._text

    async def _read(self, group: str, read: Callable[[], Awaitable[None]]) -> None:
        try:
            async with asyncio.timeout(LATE_SECONDS):
                await read()
        except Exception as error:  # a part that is away must not take the others' metrics with it
            if group not in self._silent:
                _logger.warning("metrics of %s can not be read: %s", group, str(error) or "it takes too long")
            self._silent.add(group)
            self._unread.labels(group).set(1)
        else:
            self._silent.discard(group)
            self._unread.labels(group).set(0)
