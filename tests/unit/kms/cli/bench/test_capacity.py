"""The capacity model: what must come out by the formulas of docs/capacity.md."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from kms.cli.bench.capacity import Files, Load, Measured, capacity, files, polls, records, streams
from kms.cli.bench.command import bench

LOAD = Load(
    devices=1_000_000,
    streaming=0.5,
    broadcasts=10,
    own_events=2,
    heartbeat_seconds=300,
    fetch_seconds=900,
    poll_seconds=900,
    renewals=2,
    changes=144,
)
FILES = Files(lists=2, manifest_bytes=1000, delta_bytes=100, all_lists_bytes=3000)
COSTS = Measured()


def test_streams_fill_processes() -> None:
    found = streams(LOAD, replace(COSTS, stream_kib=85, streams_per_process=10_000, message_us=50, connect_us=1000))
    assert found["processes"] == 50
    assert found["memory_gib"] == pytest.approx((500_000 * 85 + 50 * COSTS.process_mib * 1024) / 1024**2)
    assert found["broadcast_cpu_seconds"] == pytest.approx(50), "an event and its bookmark, to half a million"
    assert found["broadcast_last_device_seconds"] == pytest.approx(0.5)
    assert found["reconnect_seconds"] == pytest.approx(10)
    assert found["heartbeat_signatures_per_second"] == 50, "34 beats a second fit under one signature"
    assert streams(replace(LOAD, streaming=0), COSTS)["processes"] == 0


def test_every_poll_is_a_signature() -> None:
    found = polls(LOAD, COSTS)
    assert found["requests_per_second"] == found["signatures_per_second"] == pytest.approx(500_000 / 900)


def test_a_quiet_day_of_files_is_answered_with_304() -> None:
    quiet, busy = files(replace(LOAD, changes=0), COSTS, FILES), files(LOAD, COSTS, FILES)
    assert quiet["bytes_per_device_day"] == pytest.approx(96 * COSTS.unchanged_bytes)
    assert quiet["cdn_requests_per_second"] == pytest.approx(500_000 / 900)
    assert busy["bytes_per_device_day"] > 96 * (1000 + COSTS.proof_bytes)
    assert busy["cdn_requests_per_second"] == pytest.approx(4 * quiet["cdn_requests_per_second"])


def test_renewals_share_log_entries() -> None:
    found = records(LOAD, COSTS)
    assert found["log_entries_day"] == 86_400 / 5 + 144 + 10
    assert found["event_rows_day"] == 2_000_010


def test_the_command_says_what_went_in() -> None:
    outcome = CliRunner().invoke(bench, ["capacity", "--devices", "20000", "--stream-kib", "40", "--json"])
    assert outcome.exit_code == 0, outcome.output
    found = json.loads(outcome.output)
    assert found["measured"]["stream_kib"] == 40
    assert found["load"]["devices"] == 20_000
    assert found["files"]["lists"] == 1
    assert found.keys() == capacity(LOAD, COSTS, FILES).keys()
    plain = CliRunner().invoke(bench, ["capacity", "--devices", "20000"])
    assert plain.exit_code == 0
    assert "processes" in plain.output
