"""Callers of Sign, in a process of their own: `python -m kms.cli.bench.callers --profile DIR --key NAME ...`.

Asynchronous and without the client library's conveniences, so that as little as possible is taken from the server.
Prints "ready" after a warm-up, waits for a line, measures, and prints one line of JSON (see processes.Unary).
"""

import argparse
import asyncio
import hashlib
import json
import sys
import time
import uuid
from pathlib import Path
from typing import Any, Final

import grpc
import uvloop
from google_crc32c import value as crc32c

from hallmark.v1 import keys_pb2, keys_pb2_grpc
from hallmark_client.names import Names
from hallmark_client.profile import Profile
from kms.cli.bench.numbers import percentile

_CHANNELS: Final = 16
_TIMEOUT_SECONDS: Final = 30.0
_WARM_UP_SECONDS: Final = 1.0
_OWN_CONNECTION: Final = (("grpc.use_local_subchannel_pool", 1),)


async def run(profile: Profile, key_name: str, *, concurrency: int, seconds: float) -> None:
    """Every caller waits for its answer before it calls again."""
    credentials = grpc.ssl_channel_credentials(profile.ca_pem, profile.key_pem, profile.cert_pem)
    channels = [
        grpc.aio.secure_channel(profile.address, credentials, options=_OWN_CONNECTION)
        for _ in range(min(_CHANNELS, concurrency))
    ]
    services = [keys_pb2_grpc.SigningServiceStub(channel) for channel in channels]  # type: ignore[no-untyped-call]
    name = Names(profile.tenant).key(key_name)
    try:
        await _measure(services, name, concurrency, min(_WARM_UP_SECONDS, seconds))
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        print(json.dumps(await _measure(services, name, concurrency, seconds)), flush=True)
    finally:
        for channel in channels:
            await channel.close()


async def _measure(services: list[Any], name: str, concurrency: int, seconds: float) -> dict[str, float]:
    began, cpu = time.perf_counter(), time.process_time()
    callers = (_call(services[number % len(services)], name, began + seconds) for number in range(concurrency))
    latencies = [latency for each in await asyncio.gather(*callers) for latency in each]
    elapsed = time.perf_counter() - began
    return {
        "per_second": len(latencies) / elapsed,
        "p50_ms": percentile(latencies, 50) * 1000,
        "p99_ms": percentile(latencies, 99) * 1000,
        "caller_cores": (time.process_time() - cpu) / elapsed,
    }


async def _call(service: Any, name: str, until: float) -> list[float]:
    """Seconds that each call took."""
    digest = hashlib.sha512(b"bench").digest()
    checksum = crc32c(digest)
    latencies = []
    while (began := time.perf_counter()) < until:
        request = keys_pb2.SignRequest(name=name, digest=digest, input_crc32c=checksum, request_id=str(uuid.uuid4()))
        await service.Sign(request, timeout=_TIMEOUT_SECONDS)
        latencies.append(time.perf_counter() - began)
    return latencies


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m kms.cli.bench.callers")
    parser.add_argument("--profile", type=Path, required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--concurrency", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    given = parser.parse_args()
    profile = Profile.load(given.profile)
    try:
        uvloop.run(run(profile, given.key, concurrency=given.concurrency, seconds=given.seconds))
    except grpc.aio.AioRpcError as error:
        sys.exit(f"{error.code().name}: {error.details()}")


if __name__ == "__main__":
    main()
