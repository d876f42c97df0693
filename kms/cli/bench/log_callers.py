"""Clients that append to the log: `python -m kms.cli.bench.log_callers --profile DIR --mode MODE ...`.

Like kms.cli.bench.callers: asynchronous, raw stubs, a process of its own. Every client has a connection of its own and
asks for the next append when it has the proof of the one before. Prints "ready", waits for a line, measures, prints one
line of JSON.
"""

import argparse
import asyncio
import itertools
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import grpc
import uvloop

from hallmark.v1 import log_pb2, log_pb2_grpc
from hallmark_client.profile import Profile
from hallmark_client.system import System
from kms.cli.bench.numbers import percentile

_TIMEOUT_SECONDS: Final = 30.0
_WARM_UP_SECONDS: Final = 1.0
_BATCH_MODES: Final = ("batch", "fill")
_OPTIONS: Final = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", 8 << 20))

Append = Callable[[], Awaitable[None]]
"""Appends one event, or one batch; raises where there is no proof for each."""


class Client:
    """One client and its connection."""

    def __init__(self, channel: Any, tenant: str, batch: int) -> None:
        self._stub = log_pb2_grpc.LogServiceStub(channel)  # type: ignore[no-untyped-call]
        self._parent = f"tenants/{tenant}"
        self._batch = batch
        self._new_request_id = System().request_id
        self._outbox: asyncio.Queue[log_pb2.AppendEntryRequest | None] = asyncio.Queue()
        self._call: Any = None

    async def unary(self) -> None:
        answer = await self._stub.AppendEntry(self._request(), timeout=_TIMEOUT_SECONDS)
        _check(answer.log)

    async def stream(self) -> None:
        if self._call is None:
            self._call = self._stub.AppendStream(self._requests())
        self._outbox.put_nowait(self._request())
        answer = await self._call.read()
        if answer is grpc.aio.EOF or answer.WhichOneof("result") != "response":
            sys.exit(f"an event was refused: {answer}")
        _check(answer.response.log)

    async def batch(self) -> None:
        requests = [self._request() for _ in range(self._batch)]
        request = log_pb2.BatchAppendEntriesRequest(parent=self._parent, requests=requests)
        answer = await self._stub.BatchAppendEntries(request, timeout=_TIMEOUT_SECONDS)
        for result in answer.results:
            if result.WhichOneof("result") != "response":
                sys.exit(f"an event of a batch was refused: {result.error.message}")
            _check(result.response.log)
        if not answer.checkpoint:
            sys.exit("a batch came back without its checkpoint")

    async def fill(self) -> None:
        """A batch that waits for its commit only."""
        requests = [self._request() for _ in range(self._batch)]
        request = log_pb2.BatchAppendEntriesRequest(
            parent=self._parent, requests=requests, wait=log_pb2.APPEND_WAIT_COMMITTED
        )
        await self._stub.BatchAppendEntries(request, timeout=_TIMEOUT_SECONDS)

    async def close(self) -> None:
        self._outbox.put_nowait(None)
        if self._call is not None:
            await self._call.read()

    async def _requests(self) -> AsyncIterator[log_pb2.AppendEntryRequest]:
        while (request := await self._outbox.get()) is not None:
            yield request

    def _request(self) -> log_pb2.AppendEntryRequest:
        return log_pb2.AppendEntryRequest(
            parent=self._parent,
            request_id=self._new_request_id(),
            event_type="com.example.model.released",
            subject="models/example-7b/versions/12",
            details={
                "digest": "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
                "size": "12345678",
            },
        )


def _check(promise: Any) -> None:
    if not promise.tlog_proof or not promise.HasField("leaf_index"):
        sys.exit("an answer came without its proof")


async def run(given: argparse.Namespace) -> None:
    profile = Profile.load(given.profile)
    credentials = grpc.ssl_channel_credentials(profile.ca_pem, profile.key_pem, profile.cert_pem)
    channels = [grpc.aio.secure_channel(profile.address, credentials, options=_OPTIONS) for _ in range(given.clients)]
    clients = [Client(channel, profile.tenant, given.batch) for channel in channels]
    try:
        if not given.entries:
            await _measure(clients, given, min(_WARM_UP_SECONDS, given.seconds))
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        print(json.dumps(await _measure(clients, given, given.seconds)), flush=True)
        for client in clients:
            await client.close()
    finally:
        for channel in channels:
            await channel.close()


async def _measure(clients: list[Client], given: argparse.Namespace, seconds: float) -> dict[str, float]:
    """`entries`: stop there; 0: after the time."""
    began, cpu = time.perf_counter(), time.process_time()
    numbers = itertools.count()
    each = given.batch if given.mode in _BATCH_MODES else 1
    latencies: list[float] = []

    async def append_on(client: Client) -> None:
        append: Append = getattr(client, given.mode)
        while time.perf_counter() < began + seconds:
            if given.entries and next(numbers) * each >= given.entries:
                return
            started = time.perf_counter()
            await append()
            latencies.append(time.perf_counter() - started)

    await asyncio.gather(*(append_on(client) for client in clients))
    elapsed = time.perf_counter() - began
    return {
        "entries": len(latencies) * each,
        "per_second": len(latencies) * each / elapsed,
        "p50_ms": percentile(latencies, 50) * 1000,
        "p99_ms": percentile(latencies, 99) * 1000,
        "caller_seconds": time.process_time() - cpu,
        "seconds": elapsed,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m kms.cli.bench.log_callers")
    parser.add_argument("--profile", type=Path, required=True)
    parser.add_argument("--mode", choices=("unary", "stream", *_BATCH_MODES), required=True)
    parser.add_argument("--clients", type=int, required=True)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--entries", type=int, default=0, help="stop after so many, no warm-up; 0: after --seconds")
    parser.add_argument("--seconds", type=float, required=True)
    try:
        uvloop.run(run(parser.parse_args()))
    except grpc.aio.AioRpcError as error:
        sys.exit(f"{error.code().name}: {error.details()}")


if __name__ == "__main__":
    main()
