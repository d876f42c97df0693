"""Callers of the service, in a process of their own: `python -m kms.cli.bench.callers --profile DIR --key NAME ...`.

Asynchronous and without the client library's conveniences, so that as little as possible is taken from the server.
Prints "ready" after a warm-up, waits for a line, measures, prints one line of JSON (see processes.Called), and ends.
"""

import argparse
import asyncio
import hashlib
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import grpc
import uvloop
from google_crc32c import value as crc32c

from hallmark.v1 import keys_pb2, keys_pb2_grpc, log_pb2, log_pb2_grpc
from hallmark_client.names import Names
from hallmark_client.profile import Profile
from hallmark_client.system import System
from kms.cli.bench.numbers import percentile

_CHANNELS: Final = 16
_TIMEOUT_SECONDS: Final = 30.0
_WARM_UP_SECONDS: Final = 1.0
_OPTIONS: Final = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", 8 << 20))

Call = Callable[[Any], Awaitable[None]]
"""One call over a channel; raises where it did not get what it asked for."""


class Calls:
    """The calls there are, by the name of the mode."""

    def __init__(self, tenant: str, key_name: str, batch: int) -> None:
        self._names = Names(tenant)
        self._name = self._names.key(key_name)
        self._batch = batch
        self._digest = hashlib.sha512(b"bench").digest()
        self._checksum = crc32c(self._digest)
        self._new_request_id = System().request_id

    async def unary(self, channel: Any) -> None:
        await keys_pb2_grpc.SigningServiceStub(channel).Sign(  # type: ignore[no-untyped-call]
            self._request(), timeout=_TIMEOUT_SECONDS
        )

    async def batch(self, channel: Any) -> None:
        request = keys_pb2.BatchSignRequest(
            parent=self._names.parent, requests=[self._request() for _ in range(self._batch)]
        )
        service = keys_pb2_grpc.SigningServiceStub(channel)  # type: ignore[no-untyped-call]
        answer = await service.BatchSign(request, timeout=_TIMEOUT_SECONDS)
        for result in answer.results:
            if result.WhichOneof("outcome") != "response":
                sys.exit(f"an item of a batch was refused: {result.error.message}")

    async def probe(self, channel: Any) -> None:
        """A call that needs no signature: what does the load do to others?"""
        service = log_pb2_grpc.LogServiceStub(channel)  # type: ignore[no-untyped-call]
        await service.GetCheckpoint(log_pb2.GetCheckpointRequest(), timeout=_TIMEOUT_SECONDS)

    def _request(self) -> keys_pb2.SignRequest:
        return keys_pb2.SignRequest(
            name=self._name, digest=self._digest, input_crc32c=self._checksum, request_id=self._new_request_id()
        )


async def run(given: argparse.Namespace) -> None:
    profile = Profile.load(given.profile)
    credentials = grpc.ssl_channel_credentials(profile.ca_pem, profile.key_pem, profile.cert_pem)
    channels = [
        grpc.aio.secure_channel(profile.address, credentials, options=_OPTIONS)
        for _ in range(min(_CHANNELS, given.concurrency))
    ]
    call: Call = getattr(Calls(profile.tenant, given.key, given.batch), given.mode)
    try:
        await _measure(channels, call, given, min(_WARM_UP_SECONDS, given.seconds))
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        print(json.dumps(await _measure(channels, call, given, given.seconds)), flush=True)
    finally:
        for channel in channels:
            await channel.close()


async def _measure(channels: list[Any], call: Call, given: argparse.Namespace, seconds: float) -> dict[str, float]:
    """`rate` 0: every caller calls again as soon as it is answered. Else: so many calls a second, evenly spread."""
    began, cpu = time.perf_counter(), time.process_time()
    interval = given.concurrency / given.rate if given.rate else 0.0
    callers = (
        _call(call, channels[number % len(channels)], began, seconds, interval, number / given.concurrency)
        for number in range(given.concurrency)
    )
    latencies = [latency for each in await asyncio.gather(*callers) for latency in each]
    elapsed = time.perf_counter() - began
    signatures = given.batch if given.mode == "batch" else 1
    return {
        "per_second": len(latencies) * signatures / elapsed,
        "signatures": len(latencies) * signatures,
        "p50_ms": percentile(latencies, 50) * 1000,
        "p99_ms": percentile(latencies, 99) * 1000,
        "caller_seconds": time.process_time() - cpu,
        "seconds": elapsed,
    }


async def _call(call: Call, channel: Any, began: float, seconds: float, interval: float, phase: float) -> list[float]:
    """Seconds that each call took; where calls are planned, from when it was due: a late start counts."""
    latencies: list[float] = []
    due = began + interval * phase
    while time.perf_counter() < began + seconds:
        if interval:
            await asyncio.sleep(due - time.perf_counter())
        started = due if interval else time.perf_counter()
        await call(channel)
        latencies.append(time.perf_counter() - started)
        due += interval
    return latencies


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m kms.cli.bench.callers")
    parser.add_argument("--profile", type=Path, required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--mode", choices=("unary", "batch", "probe"), required=True)
    parser.add_argument("--concurrency", type=int, required=True)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rate", type=float, default=0.0, help="calls a second; 0: as many as are answered")
    parser.add_argument("--seconds", type=float, required=True)
    try:
        uvloop.run(run(parser.parse_args()))
    except grpc.aio.AioRpcError as error:
        sys.exit(f"{error.code().name}: {error.details()}")


if __name__ == "__main__":
    main()
