import json

from rpc.cli.conftest import program


def test_bench_log_tells_rates_costs_and_goals(tmp_path) -> None:
    words = ("--clients", "8", "--batch", "10", "--seconds", "0.4", "--entries-from", "30", "--entries-to", "300")
    outcome = program("bench", "log", *words, "--json", folder=tmp_path)
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert [load["mode"] for load in found["loads"]] == ["stream", "unary", "batch"]
    for load in found["loads"]:
        assert load["found"]["entries"] > 0
        assert 0 < load["found"]["p50_ms"] <= load["found"]["p99_ms"]
        assert load["found"]["front_us"] > 0
        assert load["checkpoints_per_second"] > 0
    small, large = found["sizes"]
    assert 30 <= small["entries"] < large["entries"] >= 300
    assert small["memory_bytes"] > 10_000_000
    assert small["server_us"] > 0
    assert found["flatness"]["cost_ratio"] > 0
    assert found["goals"].keys() >= {"single_3000_per_second", "cost_flat"}
    assert not list(tmp_path.iterdir()), "nothing is left where it was called"
