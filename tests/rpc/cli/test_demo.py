import json
import shlex
import shutil
from pathlib import Path

import pytest

from kms.cli.demo.findings import Findings
from kms.cli.demo.next_steps import next_steps
from rpc.cli.conftest import program
from rpc.wire import fresh_name

STAYS_OPEN = {"serve", "watch", "bench", "consent"}
"""Not run below: the service and a watch are there already; measuring and the other story have tests of their own."""


@pytest.fixture
def folder(tmp_path) -> Path:
    content = tmp_path / "content"
    content.mkdir()
    for number in range(3):
        (content / f"file-{number}").write_text(str(number))
    return content


def test_the_whole_demonstration_holds(folder, tmp_path) -> None:
    outcome = program("demo", folder, "--json", folder=tmp_path)
    assert outcome.code == 0, outcome.err
    found = outcome.document
    assert list(found) == list(Findings().to_dict())
    assert found["signed_files"] == 3
    assert {name: value for name, value in found.items() if value is True}.keys() == {
        "offline_verified",
        "rotated",
        "attested",
        "tampered_refused",
        "release_published",
        "tampered_release_refused",
        "unconsented_refused",
        "update_installed",
        "removal_proven",
        "restarted_without_loss",
        "inclusion_verified",
        "consistency_verified",
    }
    assert 0 < found["revocation_latency_ms"] < 5000
    assert 0 < found["update_latency_ms"] < 20_000
    assert 0 < found["removal_latency_ms"] < 20_000
    assert found["receipt_grade"] == "A1"
    assert found["log_size"] > 10
    assert found["tls_group"] == "X25519MLKEM768"
    assert found["engine"]
    for told in ("virtual phone", "PIECE_INVALID", "METADATA_UNSIGNED", "LEASE_REQUIRED", "ROLLED_BACK", "DELETED"):
        assert told in outcome.err
    assert outcome.err.isascii()


def test_a_step_that_does_not_hold_is_named_with_the_servers_log(tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    outcome = program("demo", "empty", "--json", folder=tmp_path)
    assert outcome.code == 1
    error = outcome.document["error"]
    assert "Sign the manifest" in error["message"]
    log = Path(error["advice"].rpartition(" ")[2])
    assert log.read_text()
    shutil.rmtree(log.parent)
    assert "[FAILED] Sign the manifest" in outcome.err


def test_what_to_try_next_works(service, tmp_path) -> None:
    """The very commands, in their order, against a running service; names are made fresh for the tests' one."""
    (tmp_path / "README.md").write_text("read me")
    (tmp_path / "hallmark-data").symlink_to(service.home)
    key = fresh_name()
    for step in next_steps("hallmark"):
        words = [key if word == "manifest" else word for word in shlex.split(step.command)[1:]]
        if words[0] in STAYS_OPEN:
            continue
        outcome = program(*words, folder=tmp_path)
        assert outcome.code == 0, f"{step.command}: {outcome.err}"


def test_bench_prints_rates_and_ratios(tmp_path) -> None:
    words = ("--seconds", "0.4", "--concurrency", "4", "--signers", "1")  # one for each core takes a server for each
    outcome = program("bench", "sign", *words, "--json", folder=tmp_path)
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    for name in ("unary", "batched"):
        assert found[f"{name}_per_second"] > 0
        assert 0 < found[f"{name}_p50_ms"] <= found[f"{name}_p99_ms"]
        ratio = found[f"{name}_per_second"] / found["raw_engine_per_second"]
        assert found[f"{name}_ratio"] == pytest.approx(ratio, abs=0.01)
    assert found["raw_engine_per_second"] > found["checked_engine_per_second"] > 0
    assert found["signers"] >= 1
    assert found["cores"] >= 1
    assert found["engine"]
