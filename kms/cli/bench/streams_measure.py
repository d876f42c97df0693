"""How many streams a server holds, at what cost, and how fast one event reaches them all."""

import json
import math
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final, Protocol

from kms.cli.bench.cpu import cpu_of_server, resident_bytes
from kms.cli.bench.numbers import percentile
from kms.cli.bench.processes import answer, started
from kms.cli.bench.streams_report import Streams
from kms.cli.failure import not_so

_CONNECT_SECONDS: Final = 120.0
_BETWEEN_EVENTS_SECONDS: Final = 0.3
_AFTER_EVENTS_SECONDS: Final = 3.0
"""The bookmarks that follow them are part of their cost."""
_ALMOST_ALL: Final = 0.9
_INTO_STORM_SECONDS: Final = 0.5
"""After which an event is published while everybody is reconnecting."""

Say = Callable[[str], None]


class Target(Protocol):
    """A server that is measured."""

    @property
    def pids(self) -> Sequence[int]:
        """Of its processes, one for each replica."""

    @property
    def addresses(self) -> Sequence[str]: ...

    def publish(self) -> float:
        """One event for everybody. time.monotonic before anything was done for it."""

    def handed_out_ms(self) -> Sequence[tuple[int, float]]:
        """Of events so far: to how many streams, and from the first to the last that the server began to write to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamsPlan:
    """`feeds`: those that each subscriber watches (hallmark.v1.Feed). `at_once`: connects in progress.
    `settle_seconds`: before memory is read. `collect_seconds`: after which an event that has not come is lost.
    """

    subscribers: int
    events: int
    reconnect: bool
    idle_seconds: float = 5.0
    at_once: int = 256
    clients: int = 2
    heartbeat_seconds: int = 30
    settle_seconds: float = 2.0
    collect_seconds: float = 30.0
    feeds: tuple[int, ...] = (1, 2)


@dataclass(frozen=True, slots=True)
class Crowd:
    """All client processes as one."""

    children: Sequence[subprocess.Popen[bytes]]
    replicas: int = 1
    """Process n of them has its connections at replica n modulo this."""

    def ask(self, **command: Any) -> list[dict[str, Any]]:
        self.tell(**command)
        return self.answers()

    def tell(self, **command: Any) -> None:
        for child in self.children:
            assert child.stdin is not None
            child.stdin.write(json.dumps(command).encode() + b"\n")
            child.stdin.flush()

    def answers(self) -> list[dict[str, Any]]:
        return [answer(child) for child in self.children]


def measure_streams(
    target: Target, plan: StreamsPlan, *, name: str, identities: Path | None, parent: str, say: Say
) -> Streams:
    """Connect, be idle, publish, and reconnect everybody at once. Raises CommandError."""
    with started(_commands(target, plan, identities, parent)) as children:
        crowd = Crowd(children, len(target.addresses))
        crowd.ask(do="prepare")
        before, cpu_before = _resident(target), _cpu(target)
        say(f"{name}: connecting {plan.subscribers:,} subscribers")
        connected = _connect(crowd, plan)
        connect_cpu = _cpu(target) - cpu_before
        time.sleep(plan.settle_seconds)
        memory = _resident(target) - before
        crowd.ask(do="mark")
        say(f"{name}: idle for {plan.idle_seconds:g} s, then {plan.events} events, one after the other")
        idle = _idle_percent(target, plan.idle_seconds)
        fan_out = _publish(target, crowd, plan)
        storm = _storm(target, crowd, plan, say=lambda: say(f"{name}: everybody reconnects at once"))
        last = crowd.ask(do="mark")
    return Streams(
        server=name,
        mtls=identities is not None,
        replicas=len(target.addresses),
        subscribers=plan.subscribers,
        rss_per_stream_kib=memory / plan.subscribers / 1024,
        connect_s=connected,
        connect_cpu_us=connect_cpu / plan.subscribers * 1e6,
        idle_cpu_percent=idle,
        events=plan.events,
        **fan_out.told(),
        server_fanout_ms=_handed_out_ms(target, plan),
        reconnect_s=storm.seconds,
        cancelled=sum(each["cancelled"] for each in last),
        causes=_added(each["causes"] for each in last),
        lost=fan_out.lost + storm.lost,
        duplicated=sum(each["duplicated"] for each in last),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _FanOut:
    """Seconds from before the act. `last`: of each event, to its last subscriber."""

    latencies: list[float]
    last: list[float]
    delivered: list[int]
    lost: int
    cpu: float
    client_cpu: float

    def told(self) -> dict[str, Any]:
        """As in the report."""
        count = max(len(self.latencies), 1)
        return {
            "fanout_p50_ms": self.percentile_ms(50),
            "fanout_p99_ms": self.percentile_ms(99),
            "fanout_last_ms": percentile(self.last, 50) * 1000,
            "delivered": self.delivered,
            "delivery_cpu_us": self.cpu / count * 1e6,
            "client_delivery_cpu_us": self.client_cpu / count * 1e6,
        }

    def percentile_ms(self, percent: float) -> float:
        """Infinite when nothing came."""
        return percentile(self.latencies or [math.inf], percent) * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Storm:
    seconds: float | None
    lost: int


def _publish(target: Target, crowd: Crowd, plan: StreamsPlan) -> _FanOut:
    latencies: list[float] = []
    last: list[float] = []
    delivered = [0] * crowd.replicas
    lost = 0
    before, clients_before = _cpu(target), _client_cpu(crowd)
    for _ in range(plan.events):
        began = target.publish()
        answers = crowd.ask(do="collect", events=1, seconds=plan.collect_seconds)
        arrived = [time for each in answers for times in each["arrivals"].values() for time in times if time]
        latencies += [moment - began for moment in arrived]
        last.append(max(arrived, default=math.inf) - began)
        lost += sum(each["lost"] for each in answers)
        for number, each in enumerate(answers):
            delivered[number % crowd.replicas] += sum(map(bool, chain(*each["arrivals"].values())))
        time.sleep(_BETWEEN_EVENTS_SECONDS)
    clients = _client_cpu(crowd) - clients_before
    time.sleep(_AFTER_EVENTS_SECONDS)
    return _FanOut(
        latencies=latencies,
        last=last,
        delivered=delivered,
        lost=lost,
        cpu=_cpu(target) - before,
        client_cpu=clients,
    )


def _storm(target: Target, crowd: Crowd, plan: StreamsPlan, *, say: Callable[[], None]) -> _Storm:
    """Everybody loses the network and comes back at the same moment; an event happens meanwhile."""
    if not plan.reconnect:
        return _Storm(seconds=None, lost=0)
    say()
    crowd.ask(do="prepare")
    crowd.ask(do="drop")
    crowd.tell(do="connect", at_once=plan.subscribers, seconds=_CONNECT_SECONDS)
    time.sleep(_INTO_STORM_SECONDS)
    target.publish()
    seconds = _duration(crowd.answers())
    answers = crowd.ask(do="collect", events=1, seconds=plan.collect_seconds)
    return _Storm(seconds=seconds, lost=sum(each["lost"] for each in answers))


def _connect(crowd: Crowd, plan: StreamsPlan) -> float:
    """Seconds. Raises CommandError when nobody got through: nothing can be measured then."""
    answers = crowd.ask(do="connect", at_once=max(plan.at_once // plan.clients, 1), seconds=_CONNECT_SECONDS)
    if not any(each["open"] for each in answers):
        causes = ", ".join(_added(each["causes"] for each in answers))
        raise not_so("NO_STREAMS", f"no subscriber came to a stream: {causes}")
    return _duration(answers)


def _duration(answers: Sequence[dict[str, Any]]) -> float:
    seconds: float = max(each["ended"] for each in answers) - min(each["began"] for each in answers)
    return seconds


def _idle_percent(target: Target, seconds: float) -> float:
    """Of one core."""
    before, began = _cpu(target), time.monotonic()
    time.sleep(seconds)
    return (_cpu(target) - before) / (time.monotonic() - began) * 100


def _handed_out_ms(target: Target, plan: StreamsPlan) -> float | None:
    """Median of the events that almost everybody was given at once; None where the server does not tell."""
    wanted = plan.subscribers / len(target.addresses) * _ALMOST_ALL
    found = [milliseconds for streams, milliseconds in target.handed_out_ms() if streams >= wanted]
    return percentile(found, 50) if found else None


def _resident(target: Target) -> int:
    return sum(resident_bytes(pid) for pid in target.pids)


def _cpu(target: Target) -> float:
    return sum(_cpu_seconds(pid) for pid in target.pids)


def _client_cpu(crowd: Crowd) -> float:
    return sum(_cpu_seconds(child.pid) for child in crowd.children)


def _cpu_seconds(pid: int) -> float:
    """Of the process itself, without its children; 0 where the system does not tell."""
    used = cpu_of_server(pid)
    return 0.0 if used is None else used.front


def _added(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    return dict(sum((Counter(each) for each in counts), Counter()))


def _commands(target: Target, plan: StreamsPlan, identities: Path | None, parent: str) -> list[list[str]]:
    """Each process has a part of the subscribers."""
    commands, first = [], 0
    for number in range(plan.clients):
        count = (plan.subscribers - first) // (plan.clients - number)
        command = [
            "kms.cli.bench.streams_client",
            f"--address={target.addresses[number % len(target.addresses)]}",
            f"--parent={parent}",
            f"--subscribers={count}",
            f"--first={first}",
            f"--heartbeat-seconds={plan.heartbeat_seconds}",
            *(f"--feed={feed}" for feed in plan.feeds),
        ]
        commands.append(command if identities is None else [*command, f"--identities={identities}"])
        first += count
    return commands
