"""`hallmark bench streams` against a service of its own: few devices, the same keys as for ten thousand."""

import json

from rpc.cli.conftest import program


def test_bench_streams_tells_cost_speed_and_losses(tmp_path) -> None:
    words = ("--subscribers", "6", "--events", "2", "--idle-seconds", "1", "--floor")
    outcome = program("bench", "streams", *words, "--json", folder=tmp_path)
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert (found["subscribers"], found["mtls"], found["server"]) == (6, True, "the service")
    assert (found["cancelled"], found["lost"], found["duplicated"], found["causes"]) == (0, 0, 0, {})
    assert found["rss_per_stream_kib"] > 0
    assert found["connect_s"] > 0
    assert found["reconnect_s"] > 0
    assert 0 < found["fanout_p50_ms"] <= found["fanout_p99_ms"]
    assert [each["server"] for each in found["compared"]] == ["grpc.aio alone", "grpc.aio and the guard"]


def test_more_streams_than_descriptors_are_refused_with_advice(tmp_path) -> None:
    outcome = program("bench", "streams", "--subscribers", "100000", folder=tmp_path)
    if outcome.code != 0:  # some systems allow so many
        assert outcome.code == 2
        assert "ulimit -Hn" in outcome.err
