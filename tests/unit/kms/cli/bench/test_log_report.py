import json

import pytest

from kms.cli.bench.command import _sizes
from kms.cli.bench.log_report import HEADER, SIZES_HEADER, AtSize, Load, LogReport
from kms.cli.bench.processes import Appended


def found(per_second: float, p99_ms: float = 100.0, front_us: float | None = 200.0) -> Appended:
    return Appended(
        entries=1000,
        per_second=per_second,
        p50_ms=50.0,
        p99_ms=p99_ms,
        caller_us=150.0,
        front_us=front_us,
        signers_us=None if front_us is None else 20.0,
    )


def load(mode: str, one: Appended) -> Load:
    return Load(mode=mode, clients=64, batch=100, found=one, checkpoints_per_second=9.8765)


def at(entries: int, one: Appended, memory: int = 100_000_000) -> AtSize:
    return AtSize(entries=entries, found=one, memory_bytes=memory, database_bytes_per_entry=1000.4)


def report(*sizes: AtSize, stream: Appended | None = None, batch: float = 12_000.0) -> LogReport:
    loads = (load("stream", stream or found(3000.0)), load("unary", found(1000.0)), load("batch", found(batch)))
    return LogReport(cores=2, seconds=5.0, loads=loads, sizes=sizes)


def test_the_cost_is_that_of_the_largest_log_by_that_of_the_smallest() -> None:
    flat = report(
        at(1000, found(4000.0)),
        at(10_000, found(1.0, front_us=9999.0)),
        at(100_000, found(2000.0, front_us=310.0), 120_000_000),
    ).flatness
    assert flat == {"cost_ratio": 1.5, "time_ratio": 2.0, "memory_ratio": pytest.approx(1.2)}
    assert set(report(at(1000, found(1.0))).flatness.values()) == {None}


def test_goals_are_met_or_not_or_not_measured() -> None:
    met = report(at(1000, found(1.0)), at(10_000, found(1.0, front_us=240.0))).goals()
    assert set(met.values()) == {True}
    missed = report(
        at(1000, found(1.0)), at(10_000, found(1.0, front_us=300.0)), stream=found(2999.0, 150.1), batch=11_999.0
    ).goals()
    assert set(missed.values()) == {False}
    assert report(at(1000, found(1.0, front_us=None)), at(9000, found(1.0, front_us=None))).goals()["cost_flat"] is None


def test_only_what_was_promised_has_a_goal() -> None:
    goals = [row[-1] for row in report().rows()]
    assert goals == ["3000/s, p99 150 ms", "none", "12000/s"]


def test_the_tables_have_a_cell_for_every_column() -> None:
    told = report(at(1000, found(4000.0)), at(10_000, found(2000.0, front_us=None)))
    assert all(len(row) == len(HEADER) for row in told.rows())
    assert all(len(row) == len(SIZES_HEADER) for row in told.size_rows())
    assert told.rows()[0][:4] == ("single, stream, 64 clients", "3000", "50.0", "100.0")
    assert told.rows()[2][0] == "in batches of 100, 64 clients"
    assert [row[3] for row in told.size_rows()] == ["220", ""]


def test_the_document_is_plain_and_rounded() -> None:
    document = json.loads(json.dumps(report(at(1000, found(4000.0))).to_dict()))
    assert document["loads"][0]["checkpoints_per_second"] == 9.877
    assert (document["sizes"][0]["server_us"], document["sizes"][0]["database_bytes_per_entry"]) == (220.0, 1000.4)
    assert document["goals"]["cost_flat"] is None


def test_sizes_rise_tenfold() -> None:
    assert _sizes(1000, 100_000) == (1000, 10_000, 100_000)
    assert _sizes(1000, 999) == _sizes(1, 0) == ()
