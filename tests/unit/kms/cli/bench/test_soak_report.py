import pytest
from hypothesis import given
from hypothesis import strategies as st

from kms.cli.bench.soak_report import MEMORY_GROWTH_BYTES, Minute, Sample, SoakReport, fit

MIB = 1 << 20


def _report(samples: list[Sample], **more: object) -> SoakReport:
    minute = Minute(minute=0, calls=10, errors=0, events=2, p50_ms=1.0, p99_ms=2.0)
    facts = {"seconds": 60.0, "load": 0.5, "capacity_per_second": 100.0, "streams": 2, "errors": {}, "lost_events": 0}
    return SoakReport(**{**facts, "by_minute": (minute,), "fitted": tuple(samples), **more})


def _samples(growth_bytes: float = 0, growth_descriptors: float = 0) -> list[Sample]:
    """Over an hour, with a wave that a line through it does not follow."""
    steps = 100
    return [
        Sample(
            step * 36.0,
            int(150 * MIB + growth_bytes * step / steps + (MIB if step % 2 else -MIB)),
            50 * MIB,
            round(80 + growth_descriptors * step / steps + (step % 2)),
        )
        for step in range(steps + 1)
    ]


@given(st.floats(-100, 100), st.floats(-1000, 1000), st.integers(2, 50))
def test_a_line_is_found_again(slope: float, begin: float, count: int) -> None:
    line = fit([(float(x), begin + slope * x) for x in range(count)])
    assert line.per_second == pytest.approx(slope, abs=1e-6)
    assert (line.start, line.growth) == (pytest.approx(begin, abs=1e-6), pytest.approx(slope * (count - 1), abs=1e-6))


def test_a_line_needs_two_moments() -> None:
    with pytest.raises(ValueError, match="two moments"):
        fit([(1.0, 2.0), (1.0, 3.0)])


def test_noise_is_flat() -> None:
    report = _report(_samples())
    assert report.problems() == []
    found = report.to_dict()
    assert (found["calls"], found["errors"], found["rss_start_mib"]) == (10, 0, pytest.approx(200, abs=1))
    assert abs(found["rss_slope_mib_per_hour"]) < 1


def test_a_leak_of_memory_is_not() -> None:
    assert _report(_samples(growth_bytes=MEMORY_GROWTH_BYTES - MIB)).problems() == []
    (problem,) = _report(_samples(growth_bytes=MEMORY_GROWTH_BYTES + MIB)).problems()
    assert problem.startswith("memory rose by 17.0 MiB")


def test_nor_is_a_leak_of_descriptors() -> None:
    (problem,) = _report(_samples(growth_descriptors=20)).problems()
    assert "descriptors" in problem


def test_failed_calls_and_lost_events_are_problems() -> None:
    found = _report(_samples(), errors={"UNAVAILABLE": 2}, lost_events=1).problems()
    assert found == ["2 calls failed: {'UNAVAILABLE': 2}", "1 events did not reach a stream"]
