"""What `hallmark bench log` found, and how it is told."""

from dataclasses import asdict, dataclass
from typing import Any, Final

from kms.cli.bench.processes import Appended
from kms.cli.bench.report import rounded

SINGLE_GOAL_PER_SECOND: Final = 3_000
SINGLE_GOAL_P99_MS: Final = 150
BATCH_GOAL_PER_SECOND: Final = 12_000
FLAT_GOAL_RATIO: Final = 1.25
"""The cost at the largest size by that at the smallest. What is measured twice differs by about as much."""
HEADER: Final = ("", "PER SECOND", "P50 MS", "P99 MS", "FRONT US", "SIGNERS US", "CALLERS US", "CHECKPOINTS/S", "GOAL")
SIZES_HEADER: Final = ("ENTRIES", "PER SECOND", "P99 MS", "SERVER US", "MEMORY MB", "DATABASE BYTES EACH")


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One way to append, and what came of it. Checkpoints: signed and published meanwhile, a second."""

    mode: str
    clients: int
    batch: int
    found: Appended
    checkpoints_per_second: float

    @property
    def title(self) -> str:
        each = f"in batches of {self.batch}" if self.mode == "batch" else f"single, {self.mode}"
        return f"{each}, {self.clients} clients"


@dataclass(frozen=True, slots=True, kw_only=True)
class AtSize:
    """Single appends to a log that had so many entries. Memory: of the server's front process. Database: its file."""

    entries: int
    found: Appended
    memory_bytes: int
    database_bytes_per_entry: float

    @property
    def server_us(self) -> float | None:
        """CPU for each entry."""
        if self.found.front_us is None or self.found.signers_us is None:
            return None
        return self.found.front_us + self.found.signers_us


@dataclass(frozen=True, slots=True, kw_only=True)
class LogReport:
    """Everything is with fsync, and an append is done when its proof is there."""

    cores: int
    seconds: float
    loads: tuple[Load, ...]
    sizes: tuple[AtSize, ...]

    @property
    def flatness(self) -> dict[str, float | None]:
        """At the largest size by at the smallest: cost of an append by CPU and on the clock, memory."""
        if len(self.sizes) < 2:
            return {"cost_ratio": None, "time_ratio": None, "memory_ratio": None}
        first, last = self.sizes[0], self.sizes[-1]
        return {
            "cost_ratio": _ratio(last.server_us, first.server_us),
            "time_ratio": _ratio(first.found.per_second, last.found.per_second),
            "memory_ratio": _ratio(last.memory_bytes, first.memory_bytes),
        }

    def goals(self) -> dict[str, bool | None]:
        """What was aimed at: 64 clients on 2 cores. None: not measured. Everything else that is told has no goal."""
        stream = next((load.found for load in self.loads if load.mode == "stream"), None)
        batch = next((load.found for load in self.loads if load.mode == "batch"), None)
        cost = self.flatness["cost_ratio"]
        return {
            "single_3000_per_second": None if stream is None else stream.per_second >= SINGLE_GOAL_PER_SECOND,
            "single_p99_150_ms": None if stream is None else stream.p99_ms <= SINGLE_GOAL_P99_MS,
            "batch_12000_per_second": None if batch is None else batch.per_second >= BATCH_GOAL_PER_SECOND,
            "cost_flat": None if cost is None else cost <= FLAT_GOAL_RATIO,
        }

    def to_dict(self) -> dict[str, Any]:
        content = {**asdict(self), "flatness": self.flatness, "goals": self.goals()}
        for told, size in zip(content["sizes"], self.sizes, strict=True):
            told["server_us"] = size.server_us
        found: dict[str, Any] = rounded(content)
        return found

    def rows(self) -> list[tuple[str, ...]]:
        """As HEADER says."""
        return [
            (
                load.title,
                f"{load.found.per_second:.0f}",
                f"{load.found.p50_ms:.1f}",
                f"{load.found.p99_ms:.1f}",
                _us(load.found.front_us),
                _us(load.found.signers_us),
                _us(load.found.caller_us),
                f"{load.checkpoints_per_second:.1f}",
                _GOALS.get(load.mode, "none"),
            )
            for load in self.loads
        ]

    def size_rows(self) -> list[tuple[str, ...]]:
        """As SIZES_HEADER says."""
        return [
            (
                f"{size.entries:,}",
                f"{size.found.per_second:.0f}",
                f"{size.found.p99_ms:.1f}",
                _us(size.server_us),
                f"{size.memory_bytes / 1e6:.0f}",
                f"{size.database_bytes_per_entry:.0f}",
            )
            for size in self.sizes
        ]


_GOALS: Final = {
    "stream": f"{SINGLE_GOAL_PER_SECOND}/s, p99 {SINGLE_GOAL_P99_MS} ms",
    "batch": f"{BATCH_GOAL_PER_SECOND}/s",
}


def _ratio(value: float | None, base: float | None) -> float | None:
    return None if value is None or not base else value / base


def _us(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"
