"""Subscribers in a process of their own: `python -m kms.cli.bench.streams_client --address HOST:PORT ...`.

Prints "ready", then reads commands, a JSON object a line, and answers each with one:
{"do": "prepare"}                                TLS objects for the next connections, made ahead: they are not measured
{"do": "connect", "at_once": N, "seconds": S}    connect everybody, N at a time, until each has its bookmarks
{"do": "drop"}                                   close every connection without a word
{"do": "mark"}                                   what has arrived so far does not count
{"do": "collect", "events": N, "seconds": S}     wait until N events have reached everybody since the mark; give their
                                                 times of arrival (0: never), and mark
"""

import argparse
import asyncio
import gc
import json
import secrets
import ssl
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import uvloop
from google.protobuf import duration_pb2

from hallmark.v1 import events_pb2
from kms.cli.bench.streams_descriptors import SPARE_DESCRIPTORS, take_descriptors
from kms.cli.bench.streams_subscriber import Subscriber, Tally, request_bytes

_POLL_SECONDS: Final = 0.005
_NONCE_BYTES: Final = 16


class Crowd:
    """All subscribers of this process."""

    def __init__(self, given: argparse.Namespace) -> None:
        self._given = given
        self._host, _, port = given.address.rpartition(":")
        self._port = int(port)
        self._tally = Tally(given.subscribers)
        self._cursors: list[dict[int, str]] = [{} for _ in range(given.subscribers)]
        self._now: list[Subscriber] = []
        self._next: list[Subscriber] = []
        self._told: set[str] = set()
        self._marked = 0
        self._tls = None if given.identities is None else _tls(given.identities)

    async def do(self, command: dict[str, Any]) -> dict[str, Any]:
        match command["do"]:
            case "prepare":
                self._next = [self._subscriber(number) for number in range(self._given.subscribers)]
                gc.collect()
                gc.freeze()
                return {}
            case "connect":
                return await self._connect(command["at_once"], command["seconds"])
            case "drop":
                for subscriber in self._now:
                    subscriber.close()
                return {}
            case "mark":
                return self._mark()
            case "collect":
                return await self._collect(command["events"], command["seconds"])
        raise ValueError(command)

    def _subscriber(self, number: int) -> Subscriber:
        if self._now:
            self._cursors[number].update(self._now[number].cursors)
        cursors = self._cursors[number]
        feeds = [events_pb2.FeedStart(feed=feed, cursor=cursors.get(feed, "")) for feed in self._given.feed]
        request = events_pb2.WatchEventsRequest(
            parent=self._given.parent,
            feeds=feeds,
            nonce=secrets.token_bytes(_NONCE_BYTES),
            heartbeat_interval=duration_pb2.Duration(seconds=self._given.heartbeat_seconds),
        )
        if self._tls is not None:  # the TLS object made from it keeps its own reference to this certificate
            self._tls.load_cert_chain(self._given.identities / f"{self._given.first + number}.pem")
        said = request_bytes(
            request.SerializeToString(), authority=self._given.address, encrypted=self._tls is not None
        )
        return Subscriber(number, self._tally, request=said, feeds=len(feeds), tls=self._tls)

    async def _connect(self, at_once: int, seconds: float) -> dict[str, Any]:
        self._now, self._next = self._next, []
        began = time.monotonic()
        waiting = iter(self._now)
        workers = [asyncio.create_task(self._connect_each(waiting)) for _ in range(min(at_once, len(self._now)))]
        _, late = await asyncio.wait(workers, timeout=seconds)
        ended = time.monotonic()
        for worker in late:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        for subscriber in self._now:
            if not subscriber.caught_up.done():
                subscriber.fail("no bookmark in time")
        return {"began": began, "ended": ended, **self._numbers()}

    async def _connect_each(self, waiting: Iterator[Subscriber]) -> None:
        loop = asyncio.get_running_loop()
        for subscriber in waiting:
            try:
                await loop.create_connection(partial(_itself, subscriber), self._host, self._port)
            except OSError as error:
                subscriber.fail(f"connect: {error.strerror}")
            await asyncio.wait([subscriber.caught_up])

    async def _collect(self, events: int, seconds: float) -> dict[str, Any]:
        end, wanted = time.monotonic() + seconds, self._marked + events * self._given.subscribers
        while self._tally.received < wanted and time.monotonic() < end:  # noqa: ASYNC110 - arrivals must stay cheap
            await asyncio.sleep(_POLL_SECONDS)
        fresh = {jti: list(times) for jti, times in self._tally.arrivals.items() if jti not in self._told}
        return {"arrivals": fresh, "lost": wanted - self._tally.received, **self._mark()}

    def _mark(self) -> dict[str, Any]:
        self._told.update(self._tally.arrivals)
        self._marked = self._tally.received
        return self._numbers()

    def _numbers(self) -> dict[str, Any]:
        tally = self._tally
        return {
            "duplicated": tally.duplicated,
            "open": tally.open,
            "cancelled": tally.cancelled,
            "causes": tally.causes,
            "cpu_seconds": time.process_time(),
        }


def _itself(subscriber: Subscriber) -> Subscriber:
    return subscriber


def _tls(identities: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(identities / "ca.pem"))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["h2"])
    return context


async def run(given: argparse.Namespace) -> None:
    crowd = Crowd(given)
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await crowd.do(json.loads(line))), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m kms.cli.bench.streams_client")
    parser.add_argument("--address", required=True)
    parser.add_argument("--parent", required=True)
    parser.add_argument("--subscribers", type=int, required=True)
    parser.add_argument("--first", type=int, default=0, help="number of the first subscriber among all processes'")
    parser.add_argument("--identities", type=Path, help="ca.pem and NUMBER.pem (key and certificate); else no TLS")
    parser.add_argument("--feed", type=int, action="append", required=True)
    parser.add_argument("--heartbeat-seconds", type=int, default=30)
    given = parser.parse_args()
    take_descriptors(given.subscribers + SPARE_DESCRIPTORS)
    uvloop.run(run(given))


if __name__ == "__main__":
    main()
