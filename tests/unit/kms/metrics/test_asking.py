"""Groups that are asked when a scraper comes."""

import asyncio

from prometheus_client import CollectorRegistry, Gauge

from kms.metrics.asking import Asking
from support.clock import FakeClock


async def test_scrapers_who_come_together_cost_one_question() -> None:
    registry, clock, asked = CollectorRegistry(), FakeClock(), []
    gauge = Gauge("size", "s", registry=registry)
    asking = Asking(registry, clock)

    async def read() -> None:
        asked.append(1)
        gauge.set(len(asked))

    asking.add("log", read)
    texts = await asyncio.gather(*(asking.text() for _ in range(10)))
    assert (len(asked), len(set(texts))) == (1, 1)
    clock.advance(1.1)
    assert b"\nsize 2.0\n" in await asking.text()


async def test_a_part_that_is_away_takes_no_other_with_it_and_is_told_of() -> None:
    registry, clock = CollectorRegistry(), FakeClock()
    gauge, away = Gauge("size", "s", registry=registry), [True]
    asking = Asking(registry, clock)

    async def broken() -> None:
        if away[0]:
            raise OSError("gone")

    async def well() -> None:
        gauge.set(7)

    asking.add("hsm", broken)
    asking.add("log", well)
    text = await asking.text()
    assert b"\nsize 7.0\n" in text
    assert b'hallmark_metrics_unread{group="hsm"} 1.0' in text
    assert b'hallmark_metrics_unread{group="log"} 0.0' in text
    away[0] = False
    clock.advance(1.1)
    assert b'hallmark_metrics_unread{group="hsm"} 0.0' in await asking.text()
