"""The least a server of this kind can cost: `python -m kms.cli.bench.streams_floor --home DIR [--plaintext] [--guard]`.

grpc.aio with the options of the real server and a generator that says the same bytes to everybody: no identity, no
database, no feeds. What the real server takes more is ours; the rest is grpc's. With --guard the real guard stands
before it, with the real rate and stream limits.

Prints "ready", then the address, and for each line it reads publishes one event and prints how the last one was handed
out.
"""

import argparse
import asyncio
import json
import secrets
import sys
import time
import uuid
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio
import uvloop

from hallmark.v1 import events_pb2
from kms.cli.bench.streams_descriptors import take_descriptors
from kms.core.call import Channel
from kms.core.clock import SystemClock
from kms.core.identity import Caller, Role
from kms.core.randomness import SystemRandomness
from kms.server.grpc_server import OPTIONS
from kms.server.guard import Guard
from kms.server.identity import AuthContext, identify, spiffe_id
from kms.server.interpreter import hold_little_memory, tune_interpreter
from kms.server.limits import Limits, RateLimit, StreamLimit
from kms.server.local_ca import LOCAL_TENANT, LocalAuthority
from kms.server.plain_doors import plain_doors

EVENT_BYTES: Final = 4800
"""As an event has, with its composite signature and its log entry."""
_TRUST_DOMAIN: Final = "hallmark.local"


class Handing:
    """As kms.events.handing."""

    def __init__(self) -> None:
        self._streams, self._first, self._last = 0, 0.0, 0.0

    def note(self) -> None:
        self._last = time.monotonic()
        if not self._streams:
            self._first = self._last
        self._streams += 1

    def tell(self) -> tuple[int, float]:
        """Streams and milliseconds since it was asked before."""
        told = self._streams, (self._last - self._first) * 1000
        self._streams = 0
        return told


class Feed:
    """A log and a cursor for each watcher: nobody misses what was published while they were being written to."""

    def __init__(self) -> None:
        self._log: list[bytes] = []
        self._waiting: list[asyncio.Future[None]] = []
        self.handing = Handing()

    def publish(self) -> None:
        text = f'{{"jti":"{uuid.uuid4()}","pad":"'
        pad = secrets.token_hex((EVENT_BYTES - len(text) - 2) // 2)
        event = events_pb2.Event(set=f'{text}{pad}"}}'.encode())
        frame = events_pb2.WatchEventsResponse(feed=events_pb2.FEED_GLOBAL, event=event, cursor=str(len(self._log) + 1))
        self._log.append(frame.SerializeToString())
        waiting, self._waiting = self._waiting, []
        for watcher in waiting:
            if not watcher.done():
                watcher.set_result(None)

    async def watch(self, request: events_pb2.WatchEventsRequest, _: object) -> AsyncGenerator[bytes, None]:
        position = 0
        for start in request.feeds:
            if start.feed == events_pb2.FEED_GLOBAL:
                position = int(start.cursor or len(self._log))
        for start in request.feeds:
            yield _bookmark(start.feed, position)
        loop = asyncio.get_running_loop()
        while True:
            while position < len(self._log):
                position += 1
                self.handing.note()
                yield self._log[position - 1]
            ticket = loop.create_future()
            self._waiting.append(ticket)
            await ticket


def _bookmark(feed: events_pb2.Feed, position: int) -> bytes:
    bookmark = events_pb2.WatchEventsResponse.Bookmark(sequence=position)
    return events_pb2.WatchEventsResponse(feed=feed, bookmark=bookmark, cursor=str(position)).SerializeToString()


class _Everybody:
    async def check(self, caller: Caller) -> None:
        """Nobody's certificate was taken back here."""


class _ByConnection:
    """Without TLS there is no certificate: a device for each connection, so that limits count as they do with one."""

    async def identify(self, auth: AuthContext, metadata: object, channel: Channel, now: datetime) -> Caller:  # noqa: ARG002
        if auth.get("x509_subject_alternative_name"):
            return identify(auth, _TRUST_DOMAIN)
        name = f"d-{channel.peer.rpartition(':')[2]}"
        return Caller(spiffe_id(_TRUST_DOMAIN, LOCAL_TENANT, Role.DEVICE, name), LOCAL_TENANT, Role.DEVICE, name)

    def check_still(self, caller: Caller, now: datetime) -> None:
        """They may stay."""


def _guard() -> Guard:
    clock = SystemClock()
    limits = Limits(RateLimit(2000, clock, device_rate_per_second=50), StreamLimit(per_caller=16, total=1_000_000))
    doors = plain_doors(_ByConnection(), limits, _Everybody())
    return Guard(doors, clock=clock, randomness=SystemRandomness())


def _server(feed: Feed, *, guarded: bool) -> grpc.aio.Server:
    handler = grpc.unary_stream_rpc_method_handler(
        feed.watch,
        request_deserializer=events_pb2.WatchEventsRequest.FromString,
        response_serializer=None if not guarded else events_pb2.WatchEventsResponse.SerializeToString,
    )
    server = grpc.aio.server(interceptors=[_guard()] if guarded else [], options=OPTIONS)
    methods: dict[str, Any] = {"WatchEvents": handler}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("hallmark.v1.EventService", methods),))
    return server


async def run(given: argparse.Namespace) -> None:
    hold_little_memory()
    feed = Feed()
    server = _server(feed, guarded=given.guard)
    if given.plaintext:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        authority = LocalAuthority(given.home, trust_domain=_TRUST_DOMAIN, now=datetime.now(UTC))
        pair = authority.server_credentials(("localhost", "127.0.0.1"))
        credentials = grpc.ssl_server_credentials([pair], authority.pem, require_client_auth=True)
        port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    tune_interpreter()
    print("ready", flush=True)
    print(json.dumps({"address": f"127.0.0.1:{port}"}), flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        handed = feed.handing.tell()
        feed.publish()
        print(json.dumps({"handed": handed}), flush=True)
    await server.stop(0)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m kms.cli.bench.streams_floor")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--plaintext", action="store_true")
    parser.add_argument("--guard", action="store_true")
    given = parser.parse_args()
    take_descriptors(0)
    uvloop.run(run(given))


if __name__ == "__main__":
    main()
