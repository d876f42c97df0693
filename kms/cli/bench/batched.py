"""Batches of signatures through the signer pool, as the service has it, without the service."""

import asyncio
import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kms.cli.bench.numbers import percentile

if TYPE_CHECKING:
    from hsm.provider import CompositeSignRequest, KeyProvider

BINDING: Final = b"bench"
_WARM_UP_BATCHES: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Batched:
    """per_second: signatures. Latencies: of whole batches."""

    per_second: float
    p50_ms: float
    p99_ms: float
    engine: str
    signers: int
    material: bytes
    """Of the key that signed, sealed; the bare engine uses the same one."""


async def measure_batched(data_folder: Path, *, batch: int, seconds: float) -> Batched:
    """With a throw-away token in `data_folder`. As many batches at a time as there are signers. Raises HsmError."""
    from hallmark_composite import DEFAULT_ALGORITHM
    from hsm.pkcs11.provider import Pkcs11KeyProvider
    from hsm.pkcs11.settings import Pkcs11Settings
    from hsm.provider import CompositeSignRequest

    provider = Pkcs11KeyProvider(Pkcs11Settings(data_folder=data_folder))
    try:
        await provider.start()
        facts = await provider.capabilities()
        material = await provider.generate_composite(DEFAULT_ALGORITHM, key_binding=BINDING)
        requests = [
            CompositeSignRequest(
                material=material,
                digest=hashlib.sha512(bytes([number % 256])).digest(),
                context=b"",
                key_binding=BINDING,
            )
            for number in range(batch)
        ]
        for _ in range(_WARM_UP_BATCHES):
            await _sign_batch(provider, requests)
        began = time.perf_counter()
        callers = (_call(provider, requests, began + seconds) for _ in range(facts.workers))
        latencies = [latency for each in await asyncio.gather(*callers) for latency in each]
        elapsed = time.perf_counter() - began
    finally:
        await provider.close()
    return Batched(
        per_second=len(latencies) * batch / elapsed,
        p50_ms=percentile(latencies, 50) * 1000,
        p99_ms=percentile(latencies, 99) * 1000,
        engine=facts.signing_engine,
        signers=facts.workers,
        material=material.to_bytes(),
    )


async def _call(provider: "KeyProvider", requests: "list[CompositeSignRequest]", until: float) -> list[float]:
    """Seconds that each batch took."""
    latencies = []
    while (began := time.perf_counter()) < until:
        await _sign_batch(provider, requests)
        latencies.append(time.perf_counter() - began)
    return latencies


async def _sign_batch(provider: "KeyProvider", requests: "list[CompositeSignRequest]") -> None:
    for answer in await provider.sign_many(requests):
        if isinstance(answer, Exception):
            raise answer
