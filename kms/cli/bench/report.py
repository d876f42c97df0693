"""What `hallmark bench sign` found, and how it is told."""

from dataclasses import asdict, dataclass
from typing import Any, Final

from kms.cli.bench.processes import Called, EngineAlone

ROUNDED_TO: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Milliseconds. `load`: what ran, in words."""

    load: str
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One server: its engine, its signer processes, and what was measured with it and beside it.

    Ratios compare with `alone`, loop "checked" (engine and token with self-verification, as many processes as signers):
    `..._ratio` on the clock, while the callers take CPU from the same cores; `..._ratio_without_callers` with what they
    took given back; `..._cpu_ratio` by CPU for each signature, which holds on a shared machine too. In "checked" the
    sealed seed is open already; `..._cpu_ratio_sealed` compares with "sealed", which opens it for every signature as a
    single call has to.
    """

    engine: str
    signers: int
    alone: EngineAlone
    batch: Called
    unary: Called
    half_load: Latency | None = None
    probe: Latency | None = None

    def ratios(self, cores: int) -> dict[str, float | None]:
        found: dict[str, float | None] = {}
        for name, called in (("batch", self.batch), ("unary", self.unary)):
            limit, cost = self.alone.per_second["checked"], self.alone.cpu_us
            left = max(cores - called.caller_cores, 0.01) / cores
            used = None if called.front_us is None or called.signers_us is None else called.front_us + called.signers_us
            found[f"{name}_ratio"] = called.per_second / limit
            found[f"{name}_ratio_without_callers"] = called.per_second / (limit * left)
            found[f"{name}_cpu_ratio"] = None if used is None else cost["checked"] / used
            found[f"{name}_cpu_ratio_sealed"] = None if used is None else cost["sealed"] / used
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All runs. Rates in signatures a second. `engines`: every engine here, all alone, on one core."""

    algorithm: str
    cores: int
    batch: int
    concurrency: int
    seconds: float
    tls_group: str
    engines: dict[str, EngineAlone]
    runs: tuple[Run, ...]

    @property
    def ml_dsa_speed(self) -> dict[str, float]:
        """How many times as fast as `cryptography` each engine signs (ML-DSA-65, CPU)."""
        base = self.engines["cryptography"].cpu_us["ml_dsa"]
        return {name: base / alone.cpu_us["ml_dsa"] for name, alone in self.engines.items()}

    def headline(self) -> dict[str, Any]:
        """The fastest engine with the most signers, in short: rates, and their ratios to the raw engine and token."""
        run = max(self.runs, key=lambda run: (run.signers, run.alone.per_second["bare"]))
        raw = run.alone.per_second["bare"]
        return {
            "engine": run.engine,
            "signers": run.signers,
            "raw_engine_per_second": raw,
            "checked_engine_per_second": run.alone.per_second["checked"],
            **{
                f"{title}_{name}": value
                for title, called in (("unary", run.unary), ("batched", run.batch))
                for name, value in (
                    ("per_second", called.per_second),
                    ("p50_ms", called.p50_ms),
                    ("p99_ms", called.p99_ms),
                    ("ratio", called.per_second / raw),
                )
            },
        }

    def to_dict(self) -> dict[str, Any]:
        content = {**self.headline(), **asdict(self)}
        content["ml_dsa_speed"] = self.ml_dsa_speed
        for described, run in zip(content["runs"], self.runs, strict=True):
            described.update(run.ratios(self.cores))
        document: dict[str, Any] = rounded(content)
        return document

    def rows(self) -> list[tuple[str, ...]]:
        """For people: what, per second, p50, p99, against the engine alone on the clock and by CPU."""
        rows: list[tuple[str, ...]] = []
        for run in self.runs:
            ratios = run.ratios(self.cores)
            title = f"{run.engine}, {run.signers} signers"
            rows.append((f"{title}: engine alone", _rate(run.alone.per_second["checked"]), "", "", "100 %", "100 %"))
            for name, called, what in (
                ("batch", run.batch, f"BatchSign ({self.batch})"),
                ("unary", run.unary, f"Sign ({self.concurrency} callers)"),
            ):
                wall, cpu = ratios[f"{name}_ratio_without_callers"], ratios[f"{name}_cpu_ratio"]
                rows.append(
                    (
                        f"  {what}",
                        _rate(called.per_second),
                        _ms(called.p50_ms),
                        _ms(called.p99_ms),
                        _share(wall),
                        _share(cpu),
                    )
                )
            rows += [
                (f"  {name}: {found.load}", "", _ms(found.p50_ms), _ms(found.p99_ms), "", "")
                for name, found in (("half load", run.half_load), ("probe", run.probe))
                if found is not None
            ]
        return rows


def _rate(value: float) -> str:
    return f"{value:.0f}"


def _ms(value: float) -> str:
    return f"{value:.1f}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"


def rounded(value: Any) -> Any:
    """A document with its numbers cut to what they mean."""
    match value:
        case float():
            return round(value, ROUNDED_TO)
        case dict():
            return {name: rounded(part) for name, part in value.items()}
        case list() | tuple():
            return [rounded(part) for part in value]
        case _:
            return value
