"""What a soak found, and whether memory and file descriptors stayed flat: a line is fitted after the warm-up."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from kms.cli.bench.report import rounded

_MIB: Final = 1 << 20
_HOUR: Final = 3600.0
MEMORY_GROWTH_SHARE: Final = 0.05
MEMORY_GROWTH_BYTES: Final = 16 * _MIB
DESCRIPTORS_GROWTH: Final = 8.0
"""Flat: over the time that was fitted a line rises by no more than a twentieth of where it begins, or 16 MiB, or 8
descriptors: what an allocator, a cache that fills and connections that come and go move it by."""


@dataclass(frozen=True, slots=True)
class Sample:
    """At `seconds` since the load began: resident bytes and open file descriptors of a process and of its children."""

    seconds: float
    server_bytes: int
    signers_bytes: int
    descriptors: int

    @property
    def resident_bytes(self) -> int:
        return self.server_bytes + self.signers_bytes


@dataclass(frozen=True, slots=True)
class Line:
    """Least squares: the value at the beginning and the end of what was fitted, and the slope a second."""

    start: float
    end: float
    per_second: float

    @property
    def growth(self) -> float:
        return self.end - self.start


def fit(points: Sequence[tuple[float, float]]) -> Line:
    """Through (seconds, value). Raises ValueError for fewer than two moments."""
    if len({seconds for seconds, _ in points}) < 2:
        raise ValueError("a line needs two moments")
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)
    at = [mean_y + slope * (x - mean_x) for x in (points[0][0], points[-1][0])]
    return Line(at[0], at[1], slope)


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """Of all calls that were due in it. `events`: those that reached a watching stream."""

    minute: int
    calls: int
    errors: int
    events: int
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakReport:
    """`capacity_per_second`: calls of the mix when everybody calls as fast as it is answered; the soak ran at `load` of
    it. `fitted` begins after the warm-up. `lost_events`: those that a stream should have had and did not get.
    """

    seconds: float
    load: float
    capacity_per_second: float
    streams: int
    errors: dict[str, int]
    lost_events: int
    by_minute: tuple[Minute, ...]
    fitted: tuple[Sample, ...]

    @property
    def memory(self) -> Line:
        return fit([(sample.seconds, sample.resident_bytes) for sample in self.fitted])

    @property
    def server_memory(self) -> Line:
        return fit([(sample.seconds, sample.server_bytes) for sample in self.fitted])

    @property
    def descriptors(self) -> Line:
        return fit([(sample.seconds, sample.descriptors) for sample in self.fitted])

    def problems(self) -> list[str]:
        """Why it is not as it should be; empty when all is well."""
        memory, descriptors = self.memory, self.descriptors
        allowed = max(memory.start * MEMORY_GROWTH_SHARE, MEMORY_GROWTH_BYTES)
        found = []
        if memory.growth > allowed:
            found.append(f"memory rose by {memory.growth / _MIB:.1f} MiB; {allowed / _MIB:.1f} MiB is flat")
        if descriptors.growth > DESCRIPTORS_GROWTH:
            found.append(f"open descriptors rose by {descriptors.growth:.1f}; {DESCRIPTORS_GROWTH:.0f} is flat")
        if self.errors:
            found.append(f"{sum(self.errors.values())} calls failed: {self.errors}")
        if self.lost_events:
            found.append(f"{self.lost_events} events did not reach a stream")
        return found

    def to_dict(self) -> dict[str, Any]:
        memory, server, descriptors = self.memory, self.server_memory, self.descriptors
        document: dict[str, Any] = rounded(
            {
                "minutes": self.seconds / 60,
                "load": self.load,
                "capacity_per_second": self.capacity_per_second,
                "streams": self.streams,
                "calls": sum(minute.calls for minute in self.by_minute),
                "errors": sum(self.errors.values()),
                "errors_by_kind": self.errors,
                "events": sum(minute.events for minute in self.by_minute),
                "lost_events": self.lost_events,
                "rss_start_mib": memory.start / _MIB,
                "rss_end_mib": memory.end / _MIB,
                "rss_slope_mib_per_hour": memory.per_second * _HOUR / _MIB,
                "server_rss_slope_mib_per_hour": server.per_second * _HOUR / _MIB,
                "fds_start": self.fitted[0].descriptors,
                "fds_end": self.fitted[-1].descriptors,
                "fds_slope_per_hour": descriptors.per_second * _HOUR,
                "tolerance": {
                    "rss_growth_mib": max(memory.start * MEMORY_GROWTH_SHARE, MEMORY_GROWTH_BYTES) / _MIB,
                    "fds_growth": DESCRIPTORS_GROWTH,
                },
                "by_minute": [asdict(minute) for minute in self.by_minute],
                "problems": self.problems(),
            }
        )
        return document

    def in_words(self) -> str:
        """One sentence."""
        memory, calls = self.memory, sum(minute.calls for minute in self.by_minute)
        hourly = memory.per_second * _HOUR / _MIB
        return (
            f"{calls:,} calls at {self.load:.0%} of {self.capacity_per_second:.0f} a second; memory "
            f"{memory.start / _MIB:.0f} to {memory.end / _MIB:.0f} MiB ({hourly:+.1f} an hour); "
            f"{self.fitted[0].descriptors} to {self.fitted[-1].descriptors} open descriptors"
        )

    def rows(self) -> list[tuple[str, ...]]:
        """For people; see HEADER."""
        return [
            (
                str(each.minute),
                f"{each.calls:,}",
                str(each.errors),
                str(each.events),
                f"{each.p50_ms:.1f}",
                f"{each.p99_ms:.1f}",
            )
            for each in self.by_minute
        ]


HEADER: Final = ("MINUTE", "CALLS", "ERRORS", "EVENTS", "P50 MS", "P99 MS")
