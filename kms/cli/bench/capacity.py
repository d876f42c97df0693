"""`hallmark bench capacity`: what so many devices need, computed from measured figures (docs/capacity.md)."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Final

import click

from kms.cli.invocation import json_option
from kms.cli.output import print_facts, print_json

_DAY: Final = 86_400
_KIB: Final = 1024
_DEVICES_MAX: Final = 100_000_000
_LEAVES: Final = 256
"""Heartbeats that one signature proves (kms.events.heartbeats)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What devices do, and what happens. `streaming`: share of the devices that hold a stream; the others fetch files.

    `broadcasts`: events a day that concern everybody. `own_events`: a day in the feed of one device. `subjects`: list
    entries for each device: itself, its leases, its consents. `changes`: manifests a day that differ from the last.
    """

    devices: int
    streaming: float
    broadcasts: float
    own_events: float
    heartbeat_seconds: float
    fetch_seconds: float
    poll_seconds: float
    renewals: float
    changes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """CPU in microseconds, of the server. `message_us`: an event or a bookmark to one stream. Sizes in bytes."""

    streams_per_process: int = 10_000
    stream_kib: float = 93.0
    process_mib: float = 160.0
    connect_us: float = 1300.0
    message_us: float = 45.0
    heartbeat_us: float = 75.0
    poll_us: float = 8000.0
    renewal_us: float = 200.0
    event_bytes: int = 4850
    bookmark_bytes: int = 130
    heartbeat_bytes: int = 4250
    ping_bytes: int = 220
    """Both ways, with TLS and TCP; every 30 s."""
    proof_bytes: int = 8800
    """Signature of a manifest and its proof in the log."""
    unchanged_bytes: int = 600
    """A conditional request that is answered with 304."""
    event_row_bytes: int = 3100
    """Of the database for one event in the feed of one device, with its places, indexes and state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Sizes of the read plane, from kms.status.sizes."""

    lists: int
    manifest_bytes: int
    delta_bytes: int
    all_lists_bytes: int


def streams(load: Load, costs: Measured) -> dict[str, float]:
    """Those that hold a stream. Seconds are of one core for each process."""
    held = load.devices * load.streaming
    processes = math.ceil(held / costs.streams_per_process)
    each = held / processes if processes else 0.0
    beats = _DAY / load.heartbeat_seconds
    told = (load.broadcasts + load.own_events) * (costs.event_bytes + costs.bookmark_bytes)
    trees = math.ceil(each / load.heartbeat_seconds / _LEAVES) if processes else 0
    return {
        "processes": processes,
        "memory_gib": (held * costs.stream_kib + processes * costs.process_mib * _KIB) / _KIB**2,
        "broadcast_cpu_seconds": held * 2 * costs.message_us / 1e6,
        "broadcast_last_device_seconds": each * costs.message_us / 1e6,
        "reconnect_cpu_seconds": held * costs.connect_us / 1e6,
        "reconnect_seconds": each * costs.connect_us / 1e6,
        "heartbeat_cores": held / load.heartbeat_seconds * costs.heartbeat_us / 1e6,
        "heartbeat_signatures_per_second": trees * processes,
        "bytes_per_device_day": told + beats * costs.heartbeat_bytes + _DAY / 30 * costs.ping_bytes,
    }


def polls(load: Load, costs: Measured) -> dict[str, float]:
    """If those without a stream polled, each answer with a heartbeat of its own: a signature a request."""
    asking = load.devices * (1 - load.streaming)
    requests = asking / load.poll_seconds
    told = (load.broadcasts + load.own_events) * costs.event_bytes
    answer = costs.heartbeat_bytes + 2 * costs.bookmark_bytes
    return {
        "requests_per_second": requests,
        "cores": requests * costs.poll_us / 1e6,
        "signatures_per_second": requests,
        "bytes_per_device_day": told + _DAY / load.poll_seconds * answer,
    }


def files(load: Load, costs: Measured, sizes: Files) -> dict[str, float]:
    """Those without a stream fetch files. A manifest that has changed costs three requests more: signature, proof and
    delta. Who was away for longer than ten manifests takes the lists.
    """
    fetching = load.devices * (1 - load.streaming)
    checks = _DAY / load.fetch_seconds
    fresh = min(checks, load.changes)
    a_change = sizes.manifest_bytes + costs.proof_bytes + sizes.delta_bytes * max(load.changes / checks, 1)
    a_day = fresh * a_change + (checks - fresh) * costs.unchanged_bytes
    return {
        "lists": sizes.lists,
        "manifest_bytes": sizes.manifest_bytes,
        "delta_bytes": sizes.delta_bytes,
        "all_lists_bytes": sizes.all_lists_bytes,
        "bytes_per_device_day": a_day,
        "cdn_requests_per_second": fetching * (checks + 3 * fresh) / _DAY,
        "cdn_gigabits_per_second": fetching * a_day * 8 / _DAY / 1e9,
        "origin_bytes_day": load.changes * (a_change + sizes.all_lists_bytes),
    }


def records(load: Load, costs: Measured) -> dict[str, float]:
    """What is signed, logged and stored in a day, whoever streams.

    Renewals are unsigned leaves of batches, each of which is one log entry. Heartbeats and the log's checkpoints are
    signed besides.
    """
    renewals = load.devices * load.renewals
    batches = min(renewals, _DAY / 5)
    own = load.devices * load.own_events
    return {
        "renewals_per_second": renewals / _DAY,
        "renewal_cores": renewals / _DAY * costs.renewal_us / 1e6,
        "log_entries_day": batches + load.changes + load.broadcasts + max(own - renewals, 0.0),
        "composite_signatures_day": load.changes + load.broadcasts + max(own - renewals, 0.0),
        "event_rows_day": own + load.broadcasts,
        "database_gib_day": (own + load.broadcasts) * costs.event_row_bytes / _KIB**3,
    }


def capacity(load: Load, costs: Measured, sizes: Files) -> dict[str, dict[str, Any]]:
    """By part of the system."""
    return {
        "load": asdict(load),
        "measured": asdict(costs),
        "streams": streams(load, costs),
        "polls": polls(load, costs),
        "files": files(load, costs, sizes),
        "records": records(load, costs),
    }


@click.command(name="capacity")
@click.option("--devices", type=click.IntRange(1, _DEVICES_MAX), required=True, help="All of them.")
@click.option("--streaming", type=click.FloatRange(0, 1), default=0.02, show_default=True, help="Share with a stream.")
@click.option("--revoked", type=click.FloatRange(0, 0.5), default=0.001, show_default=True, help="Share of subjects.")
@click.option("--subjects", type=click.FloatRange(1, 100), default=3, show_default=True, help="List entries a device.")
@click.option("--broadcasts", type=click.FloatRange(0), default=20, show_default=True, help="Events a day for all.")
@click.option("--renewals", type=click.FloatRange(0), default=2, show_default=True, help="Leases, a device and day.")
@click.option("--own-events", type=click.FloatRange(0), default=2.01, show_default=True, help="A device and day.")
@click.option("--changes", type=click.FloatRange(0), default=1440, show_default=True, help="Manifests a day.")
@click.option("--heartbeat-seconds", type=click.FloatRange(1, 300), default=300, show_default=True)
@click.option("--fetch-seconds", type=click.FloatRange(10), default=900, show_default=True, help="Between two fetches.")
@click.option(
    "--poll-seconds", type=click.FloatRange(1), default=900, show_default=True, help="If they polled instead."
)
@click.option("--stream-kib", type=float, default=Measured().stream_kib, show_default=True)
@click.option("--message-us", type=float, default=Measured().message_us, show_default=True)
@click.option("--connect-us", type=float, default=Measured().connect_us, show_default=True)
@click.option("--streams-per-process", type=int, default=Measured().streams_per_process, show_default=True)
@json_option
def capacity_command(
    revoked: float,
    subjects: float,
    stream_kib: float,
    message_us: float,
    connect_us: float,
    streams_per_process: int,
    as_json: bool,
    **load: Any,
) -> None:
    """What so many devices need: processes, memory, CPU, bytes, signatures, rows. Nothing is asked of a server.

    Costs of a stream are those of docs/capacity.md unless you give those that `hallmark bench streams` found on your
    machine. Sizes of files come from lists that are built here, as `hallmark status sizes` does.

    \b
    Example:  hallmark bench capacity --devices 1000000 --streaming 0.02 --json
    """
    costs = Measured(
        stream_kib=stream_kib,
        message_us=message_us,
        connect_us=connect_us,
        streams_per_process=streams_per_process,
    )
    given = Load(**load)
    found = capacity(given, costs, _files(given, revoked, subjects))
    if as_json:
        print_json(found)
        return
    for part in ("streams", "polls", "files", "records"):
        click.echo(f"{part}:")
        print_facts({name: f"{value:,.6g}" for name, value in found[part].items()})


def _files(load: Load, revoked: float, subjects: float) -> Files:
    """Of lists for every subject, of which as many change between two manifests as are told in a day's share."""
    from kms.core.clock import SystemClock
    from kms.status.sizes import measure

    entries = math.ceil(load.devices * subjects)
    changed = revoked / 30 / max(load.changes, 1)
    found = measure(entries, revoked, changed_share=changed, clock=SystemClock())
    return Files(
        lists=found.lists,
        manifest_bytes=found.manifest_bytes,
        delta_bytes=found.delta_bytes,
        all_lists_bytes=found.zlib_bytes,
    )
