"""`hallmark bench vault`: what it measures is measured here in small, and what it says of it is checked."""

import hashlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from kms.cli.bench import vault_peer
from kms.cli.bench.vault import vault
from kms.cli.bench.vault_measure import VaultPlan, measure_vault
from kms.cli.bench.vault_peer import PeerUnavailable, fetch_peer
from kms.cli.bench.vault_report import GIB, KIB_256, MIB, AtSize, RandomReads, Rate, Releases, VaultReport, size_text
from kms.cli.failure import CommandError

FOUND = {"seconds": [3.0, 1.0, 2.0], "cpu_seconds": 9.0, "extra_bytes": 4 * MIB}


def rate(per_second: float = 700.0, *, ms: float = 1.0, extra: float = 4.0) -> Rate:
    return Rate(ms=ms, cpu_ms=ms, mib_per_second=per_second, extra_mib=extra)


def report(*sizes: AtSize, p50: float = 9.0, releases: Releases | None = None) -> VaultReport:
    reads = RandomReads(size=GIB, count=1, p50_us=p50, p99_us=30.0, extra_mib=0.0)
    return VaultReport(cores=2, load=0.0, sizes=sizes, random_reads=reads, releases=releases)


def met(found: VaultReport) -> dict[str, bool | None]:
    return {goal.name: goal.is_met for goal in found.goals()}


def test_a_rate_is_the_median() -> None:
    assert Rate.of(4 * MIB, FOUND) == Rate(ms=2000.0, cpu_ms=3000.0, mib_per_second=2.0, extra_mib=4.0)


def test_goals_that_are_met() -> None:
    small = AtSize(size=KIB_256, rounds=1, put=rate(10), get=rate(ms=0.2), peer_put=rate(), peer_get=rate(ms=0.3))
    large = AtSize(size=GIB, rounds=1, put=rate(), get=rate())
    releases = Releases(size=GIB, build=rate(), update=rate())
    found = met(report(small, large, releases=releases))
    assert len(found) == 7
    assert all(found.values())


def test_goals_that_are_missed() -> None:
    small = AtSize(size=KIB_256, rounds=1, put=rate(), get=rate(ms=0.4), peer_put=rate(), peer_get=rate(ms=0.3))
    large = AtSize(size=GIB, rounds=1, put=rate(599.0), get=rate(599.0, extra=17.0))
    releases = Releases(size=GIB, build=rate(399.0), update=rate(399.0))
    found = met(report(small, large, p50=20.1, releases=releases))
    assert len(found) == 7
    assert not any(found.values())


def test_what_was_not_measured_is_neither() -> None:
    found = met(report(AtSize(size=MIB, rounds=1, put=rate(1.0), get=rate(1.0))))
    assert found.pop("extra memory at any size") is True
    assert found.pop("4 KiB random read in 1 GiB, median") is True
    assert set(found.values()) == {None}


def test_sizes_in_words() -> None:
    assert [size_text(size) for size in (KIB_256, 64 * MIB, GIB, 1000)] == ["256 KiB", "64 MiB", "1 GiB", "1000 bytes"]


def test_a_small_run_measures_everything(tmp_path: Path) -> None:
    said: list[str] = []
    found = measure_vault(VaultPlan(size=2 * MIB, rounds=2, folder=tmp_path), say=said.append)
    assert [each.size for each in found.sizes] == [KIB_256, 2 * MIB]
    assert all(each.put.ms > 0 and each.get.mib_per_second > 0 for each in found.sizes)
    assert found.random_reads.count == 20_000
    assert 0 < found.random_reads.p50_us <= found.random_reads.p99_us
    assert found.releases is not None
    assert found.releases.update.ms > 0
    assert len(said) == 3
    assert list(tmp_path.iterdir()) == []
    document = json.loads(json.dumps(found.to_dict()))
    assert {"fsync", "cores", "load", "sizes", "random_reads", "releases", "goals"} == set(document)
    assert len(found.rows()) == 3


@pytest.mark.parametrize("size", ["1", "255KiB", "0MiB", "1TB", "-1GiB", "1 GiB", "1gib"])
def test_what_is_no_size_is_refused(size: str) -> None:
    result = CliRunner().invoke(vault, ["--size", size])
    assert result.exit_code == 2
    assert "is no size from 256KiB on" in result.output


def test_help_teaches() -> None:
    result = CliRunner().invoke(vault, ["--help"])
    assert "Example:  hallmark bench vault --size 64MiB --no-releases" in result.output


def test_a_folder_without_the_peer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no pqc_enclave_sdk"):
        measure_vault(VaultPlan(size=MIB, peer_path=(tmp_path,), folder=tmp_path), say=print)


def test_a_disk_without_room_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="GiB free"):
        measure_vault(VaultPlan(size=2**60, folder=tmp_path), say=print)


def test_a_file_that_is_not_the_peers_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault_peer, "_PINS", {"x": hashlib.sha256(b"theirs").hexdigest()})
    (tmp_path / vault_peer.SDIST).write_bytes(b"theirs")
    assert fetch_peer(tmp_path).sdist.read_bytes() == b"theirs"
    (tmp_path / vault_peer.SDIST).write_bytes(b"others")
    monkeypatch.setattr(vault_peer, "_download", lambda _: None)
    with pytest.raises(PeerUnavailable, match="other files"):
        fetch_peer(tmp_path)
