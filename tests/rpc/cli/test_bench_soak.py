from pathlib import Path

from rpc.cli.conftest import program


def test_a_short_soak_tells_what_it_saw(tmp_path: Path) -> None:
    """Too short to say whether memory is flat; every other figure is one."""
    plan = ("--minutes", "0.1", "--probe-seconds", "1", "--sample-seconds", "0.5", "--streams", "4")
    outcome = program("bench", "soak", *plan, "--json", folder=tmp_path)
    found = outcome.document
    assert outcome.code == (1 if found["problems"] else 0), outcome.err
    assert [problem for problem in found["problems"] if not problem.startswith("memory rose")] == []
    assert (found["errors"], found["lost_events"], found["streams"]) == (0, 0, 4)
    assert found["calls"] == sum(minute["calls"] for minute in found["by_minute"])
    assert 0.8 < found["calls"] / (found["capacity_per_second"] * found["load"] * 6) < 1.2
    assert found["events"] >= 4
    assert 0 < found["by_minute"][0]["p50_ms"] <= found["by_minute"][0]["p99_ms"]
    assert 50 < found["rss_start_mib"] < 2000
    assert 20 < found["fds_start"] < 500
