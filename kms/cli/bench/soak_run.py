"""One soak: a throw-away server, its capacity for the mix, then a steady share of it while memory is watched."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import grpc.aio
import uvloop

from attestation.testing import VirtualPhone, VirtualVendor
from hallmark_client.client import Client
from hallmark_client.profile import Profile
from kms.cli.bench.cpu import children_of, open_descriptors, resident_bytes
from kms.cli.bench.numbers import percentile
from kms.cli.bench.scratch import scratch_folder
from kms.cli.bench.soak_mix import Mix, Watching
from kms.cli.bench.soak_report import Minute, Sample, SoakReport
from kms.cli.child import ServerProcess
from kms.cli.demo.scene import devices_settings
from kms.cli.output import write_file
from kms.server.local_ca import LOCAL_TENANT

Say = Callable[[str], None]
_PARENT: Final = f"tenants/{LOCAL_TENANT}"
_KEY_ID: Final = "soak"
_CHANNELS: Final = 8
_CALLERS: Final = 32
"""That call as fast as they are answered, to find the capacity."""
_REVOCATIONS_A_MINUTE: Final = 12
_SETTLE_SECONDS: Final = 5.0
"""How long a stream may take for the last event."""
_OPTIONS: Final = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", 8 << 20))
_SETTINGS: Final = "[server]\nrate_per_second = 1e9\nstreams_per_caller = 1000\n"
"""One caller is meant to be all callers here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakPlan:
    """`warm_up`: share of the time that is not fitted, in which caches fill."""

    minutes: float
    load: float = 0.5
    streams: int = 32
    probe_seconds: float = 15.0
    sample_seconds: float = 5.0
    warm_up: float = 0.2


@dataclass(slots=True)
class _Tally:
    """Of the steady load: milliseconds and errors, by minute."""

    latencies: dict[int, list[float]] = field(default_factory=dict)
    errors: dict[int, "Counter[str]"] = field(default_factory=dict)
    revoked: dict[str, int] = field(default_factory=dict)
    """Names of events, and in which minute they were made."""
    samples: list[Sample] = field(default_factory=list)


def run_soak(plan: SoakPlan, *, say: Say) -> SoakReport:
    """Raises CommandError where the server does not start."""
    with scratch_folder() as folder:
        vendor = VirtualVendor.create(now=datetime.now(UTC))
        phone = VirtualPhone.create(vendor, now=datetime.now(UTC))
        settings = folder / "settings.toml"
        write_file(settings, (_SETTINGS + devices_settings(folder, vendor)).encode())
        server = ServerProcess(home=folder / "home", log_file=folder / "server.log", settings_file=settings)
        try:
            server.start()
            with Client(Profile.load(server.home / "clients" / "admin")) as admin:
                key = admin.keys.create(_KEY_ID).name
            report: SoakReport = uvloop.run(_soak(plan, server, key, phone, say))
            return report
        finally:
            server.stop()


async def _soak(plan: SoakPlan, server: ServerProcess, key: str, phone: VirtualPhone, say: Say) -> SoakReport:
    clients = server.home / "clients"
    async with _channels(clients / "backend", _CHANNELS) as channels, _channels(clients / "admin", 1) as (admin,):
        mix = Mix(parent=_PARENT, key_name=key, phone=phone, channels=list(channels), admin=admin)
        say(f"measuring how many calls a second {_CALLERS} callers get")
        capacity = await _capacity(mix, plan.probe_seconds)
        say(f"{capacity:.0f} a second; now {plan.load:.0%} of it for {plan.minutes:g} minutes")
        watching = [Watching(lambda: _channel(clients / "auditor"), _PARENT) for _ in range(plan.streams)]
        watches = [asyncio.create_task(each.watch()) for each in watching]
        try:
            tally = await _steady(plan, mix, capacity * plan.load, server.pid, say)
            await asyncio.sleep(min(_SETTLE_SECONDS, plan.minutes * 60))
        finally:
            for task in watches:
                task.cancel()
            await asyncio.gather(*watches, return_exceptions=True)
    return _report(plan, capacity, tally, watching)


async def _capacity(mix: Mix, seconds: float) -> float:
    began = time.perf_counter()
    counts = await asyncio.gather(*(_call_until(mix, began + seconds) for _ in range(_CALLERS)))
    return sum(counts) / (time.perf_counter() - began)


async def _call_until(mix: Mix, end: float) -> int:
    count = 0
    while time.perf_counter() < end:
        await mix.next_call()
        count += 1
    return count


async def _steady(plan: SoakPlan, mix: Mix, rate: float, pid: int, say: Say) -> _Tally:
    """Calls begin when they are due, whether or not earlier ones were answered."""
    tally, began, seconds = _Tally(), time.perf_counter(), plan.minutes * 60
    beside = [
        asyncio.create_task(_sample(plan, tally, pid, began, say)),
        asyncio.create_task(_revoke(mix, tally, began)),
    ]
    running: set[asyncio.Task[None]] = set()
    due = began
    try:
        while due < began + seconds:
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            task = asyncio.create_task(_timed(mix, tally, began, due))
            running.add(task)
            task.add_done_callback(running.discard)
            due += 1 / rate
        await asyncio.gather(*running)
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
    return tally


async def _timed(mix: Mix, tally: _Tally, began: float, due: float) -> None:
    """From when it was due: a late start counts."""
    minute = int((due - began) / 60)
    try:
        await mix.next_call()
    except (grpc.aio.AioRpcError, AssertionError) as error:
        name = error.code().name if isinstance(error, grpc.aio.AioRpcError) else "WRONG_ANSWER"
        tally.errors.setdefault(minute, Counter())[name] += 1
    else:
        tally.latencies.setdefault(minute, []).append((time.perf_counter() - due) * 1000)


async def _revoke(mix: Mix, tally: _Tally, began: float) -> None:
    while True:
        await asyncio.sleep(60 / _REVOCATIONS_A_MINUTE)
        minute = int((time.perf_counter() - began) / 60)
        try:
            name = await mix.revoke_a_device()
        except grpc.aio.AioRpcError as error:
            tally.errors.setdefault(minute, Counter())[error.code().name] += 1
        else:
            if name is not None:
                tally.revoked[name] = minute


async def _sample(plan: SoakPlan, tally: _Tally, pid: int, began: float, say: Say) -> None:
    told = 0
    while True:
        seconds = time.perf_counter() - began
        signers = children_of(pid)
        sample = Sample(
            seconds,
            resident_bytes(pid),
            sum(resident_bytes(child) for child in signers),
            sum(open_descriptors(each) for each in (pid, *signers)),
        )
        tally.samples.append(sample)
        if (minute := int(seconds / 60)) > told:
            told = minute
            mib = sample.resident_bytes / (1 << 20)
            say(f"minute {minute} of {plan.minutes:g}: {mib:.0f} MiB, {sample.descriptors} descriptors")
        await asyncio.sleep(plan.sample_seconds)


def _report(plan: SoakPlan, capacity: float, tally: _Tally, watching: Sequence[Watching]) -> SoakReport:
    errors: Counter[str] = Counter()
    for counted in (*tally.errors.values(), *(each.failures for each in watching)):
        errors.update(counted)
    heard = Counter(name for each in watching for name in each.heard if name in tally.revoked)
    by_minute = [
        Minute(
            minute=minute,
            calls=len(found) + tally.errors.get(minute, Counter()).total(),
            errors=tally.errors.get(minute, Counter()).total(),
            events=sum(count for name, count in heard.items() if tally.revoked[name] == minute),
            p50_ms=percentile(found, 50),
            p99_ms=percentile(found, 99),
        )
        for minute, found in sorted(tally.latencies.items())
    ]
    begin = plan.minutes * 60 * plan.warm_up
    return SoakReport(
        seconds=plan.minutes * 60,
        load=plan.load,
        capacity_per_second=capacity,
        streams=len(watching),
        errors=dict(errors),
        lost_events=len(tally.revoked) * len(watching) - heard.total(),
        by_minute=tuple(by_minute),
        fitted=tuple(sample for sample in tally.samples if sample.seconds >= begin),
    )


@contextlib.asynccontextmanager
async def _channels(profile: Path, count: int) -> AsyncIterator[Sequence[Any]]:
    async with contextlib.AsyncExitStack() as opened:
        yield [await opened.enter_async_context(_channel(profile)) for _ in range(count)]


def _channel(folder: Path) -> Any:
    profile = Profile.load(folder)
    credentials = grpc.ssl_channel_credentials(profile.ca_pem, profile.key_pem, profile.cert_pem)
    return grpc.aio.secure_channel(profile.address, credentials, options=_OPTIONS)
