"""What `hallmark bench vault` found, and how it is told."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Final, Self

from kms.cli.bench.numbers import percentile
from kms.cli.bench.report import rounded

MIB: Final = 1024 * 1024
GIB: Final = 1024 * MIB
KIB_256: Final = 256 * 1024
PUT_AND_GET_GOAL: Final = 600.0
EXTRA_GOAL: Final = 16.0
RANDOM_GOAL: Final = 20.0
RELEASE_GOAL: Final = 400.0
HEADER: Final = ("", "PUT MIB/S", "GET MIB/S", "PUT MS", "GET MS", "PUT CPU MS", "GET CPU MS", "PUT +MIB", "GET +MIB")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Medians of several rounds. cpu_ms: of a round, on all cores together: what holds on a shared machine too.
    extra_mib: memory at the peak beyond what an idle process had.
    """

    ms: float
    cpu_ms: float
    mib_per_second: float
    extra_mib: float

    @classmethod
    def of(cls, size: int, found: dict[str, Any]) -> Self:
        """found: what kms.cli.bench.vault_child says."""
        seconds = median(found["seconds"])
        return cls(
            ms=seconds * 1e3,
            cpu_ms=found["cpu_seconds"] / len(found["seconds"]) * 1e3,
            mib_per_second=size / MIB / seconds,
            extra_mib=found["extra_bytes"] / MIB,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AtSize:
    """size: bytes. peer_missing: why the peer was not measured, empty where it was."""

    size: int
    rounds: int
    put: Rate
    get: Rate
    peer_put: Rate | None = None
    peer_get: Rate | None = None
    peer_peak_mib: float | None = None
    peer_missing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomReads:
    """4 KiB each, in an artifact of `size` bytes. Microseconds."""

    size: int
    count: int
    p50_us: float
    p99_us: float
    extra_mib: float

    @classmethod
    def of(cls, size: int, found: dict[str, Any]) -> Self:
        each = [seconds * 1e6 for seconds in found["seconds"]]
        return cls(
            size=size,
            count=len(each),
            p50_us=percentile(each, 50),
            p99_us=percentile(each, 99),
            extra_mib=found["extra_bytes"] / MIB,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Releases:
    """build: encrypt and describe a folder. update: from a local repository into a vault, everything verified."""

    size: int
    build: Rate
    update: Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """found: None where it was not measured."""

    name: str
    goal: float
    found: float | None
    unit: str
    is_met: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultReport:
    """With fsync, always."""

    cores: int
    load: float
    sizes: tuple[AtSize, ...]
    random_reads: RandomReads
    releases: Releases | None

    def goals(self) -> tuple[Goal, ...]:
        first = next((each for each in self.sizes if each.size == GIB), None)
        extra = max((max(each.put.extra_mib, each.get.extra_mib) for each in self.sizes), default=None)
        reads = self.random_reads.p50_us if self.random_reads.size >= GIB else None
        built = self.releases if self.releases is not None and self.releases.size >= GIB else None
        return (
            _at_least("put at 1 GiB", PUT_AND_GET_GOAL, first.put.mib_per_second if first else None),
            _at_least("get at 1 GiB", PUT_AND_GET_GOAL, first.get.mib_per_second if first else None),
            _at_most("extra memory at any size", EXTRA_GOAL, extra, "MiB"),
            _at_most("4 KiB random read in 1 GiB, median", RANDOM_GOAL, reads, "us"),
            *self._against_peer(),
            _at_least("release build", RELEASE_GOAL, built.build.mib_per_second if built else None),
            _at_least("release update", RELEASE_GOAL, built.update.mib_per_second if built else None),
        )

    def _against_peer(self) -> Iterator[Goal]:
        for each in self.sizes:
            if each.size == KIB_256 and each.peer_get is not None:
                yield _at_most("256 KiB get, against the peer", each.peer_get.ms, each.get.ms, "ms")

    def to_dict(self) -> dict[str, Any]:
        document: dict[str, Any] = rounded(
            {"fsync": True, **asdict(self), "goals": [asdict(goal) for goal in self.goals()]}
        )
        return document

    def rows(self) -> list[tuple[str, ...]]:
        rows = []
        for each in self.sizes:
            rows.append(_row(size_text(each.size), each.put, each.get))
            if each.peer_put is not None and each.peer_get is not None:
                rows.append(_row("  pqc-enclave-sdk, in memory", each.peer_put, each.peer_get))
            elif each.peer_missing:
                rows.append((f"  pqc-enclave-sdk: {each.peer_missing}", *[""] * 8))
        if self.releases is not None:
            title = f"release of {size_text(self.releases.size)}: build, update"
            rows.append(_row(title, self.releases.build, self.releases.update))
        return rows


def size_text(size: int) -> str:
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (1024, "KiB")):
        if size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} bytes"


def _row(title: str, put: Rate, get: Rate) -> tuple[str, ...]:
    rates = (f"{put.mib_per_second:.0f}", f"{get.mib_per_second:.0f}")
    times = (f"{each:.2f}" for each in (put.ms, get.ms, put.cpu_ms, get.cpu_ms))
    return (title, *rates, *times, f"{put.extra_mib:.1f}", f"{get.extra_mib:.1f}")


def _at_least(name: str, goal: float, found: float | None) -> Goal:
    return Goal(name=name, goal=goal, found=found, unit="MiB/s", is_met=None if found is None else found >= goal)


def _at_most(name: str, goal: float, found: float | None, unit: str) -> Goal:
    return Goal(name=name, goal=goal, found=found, unit=unit, is_met=None if found is None else found <= goal)
