import pytest

from kms.cli.bench.processes import Called, EngineAlone
from kms.cli.bench.report import Latency, Report, Run


def _alone(processes: int, per_second: float, cpu_us: float) -> EngineAlone:
    loops = ("ml_dsa", "bare", "checked", "sealed")
    return EngineAlone(
        processes=processes, per_second=dict.fromkeys(loops, per_second), cpu_us=dict.fromkeys(loops, cpu_us)
    )


def _called(per_second: float, front_us: float | None) -> Called:
    return Called(
        per_second=per_second,
        p50_ms=1.0,
        p99_ms=2.0,
        caller_cores=0.5,
        caller_us=30.0,
        front_us=front_us,
        signers_us=None if front_us is None else 500.0,
    )


def _report(front_us: float | None = 125.0) -> Report:
    run = Run(
        engine="liboqs",
        signers=2,
        alone=_alone(2, 4000.0, 500.0),
        batch=_called(2400.0, front_us),
        unary=_called(1200.0, front_us),
        half_load=Latency(load="600 calls", p50_ms=5.0, p99_ms=15.0),
    )
    engines = {"cryptography": _alone(1, 1000.0, 1000.0), "liboqs": _alone(1, 5000.0, 200.0)}
    return Report(
        algorithm="id", cores=2, batch=32, concurrency=64, seconds=1.0, tls_group="X", engines=engines, runs=(run,)
    )


def test_ratios_on_the_clock_without_callers_and_by_cpu() -> None:
    ratios = _report().runs[0].ratios(2)
    assert ratios["batch_ratio"] == 0.6
    assert ratios["batch_ratio_without_callers"] == pytest.approx(0.8), "they had half of one of two cores"
    assert ratios["batch_cpu_ratio"] == 0.8
    assert ratios["unary_ratio"] == 0.3


def test_where_cpu_can_not_be_read_nothing_is_claimed() -> None:
    document = _report(front_us=None).to_dict()
    assert document["runs"][0]["batch_cpu_ratio"] is None
    assert document["ml_dsa_speed"] == {"cryptography": 1.0, "liboqs": 5.0}


def test_the_table_has_a_row_for_everything() -> None:
    titles = [row[0] for row in _report().rows()]
    assert titles[0] == "liboqs, 2 signers: engine alone"
    assert any("BatchSign (32)" in title for title in titles)
    assert any("half load: 600 calls" in title for title in titles)
    assert all(len(row) == 6 for row in _report().rows())
