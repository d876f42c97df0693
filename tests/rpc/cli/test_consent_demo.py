import json
import tempfile
from pathlib import Path

import pytest

from kms.cli.consent import demo_runner
from kms.cli.consent.demo_phone import Vault
from kms.cli.consent.demo_stage import LEASE, PROMISE, Findings, Stage
from kms.cli.demo.stage import DemoFailed, hold
from rpc.cli.conftest import program

ARTIFACT = "tenants/default/artifacts/" + "ab" * 32


def test_the_whole_story_holds_in_real_time(tmp_path: Path) -> None:
    """Takes as long as the shortest promise there is: a minute."""
    outcome = program("consent", "demo", "--json", folder=tmp_path)
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert list(found) == list(Findings().to_dict())
    assert found["attested"] == 4
    assert found["leases_verified"] == 8
    assert 0 < found["heard_ms"] <= found["shredded_ms"] <= found["receipt_ms"] < 20_000
    assert found["receipt_grade"] == "A1"
    assert 0 < found["files_say_invalid_seconds"] < 30
    promised, lease = PROMISE.total_seconds(), LEASE.total_seconds()
    assert found["promised_seconds"] == promised
    assert lease - 15 < found["last_usable_seconds"] < promised, "an offline phone goes on, and not beyond the promise"
    assert found["kept"] is True
    assert promised <= found["overdue_seconds"] < promised + 30
    assert found["stream_ended"] is True
    assert found["certificate_refused"] == "DEVICE_REVOKED"
    assert found["lease_refused"] in {"DEVICE_REVOKED", "STATE_TRANSITION_INVALID"}
    assert found["removals"] == {"deleted": 2, "lapsed": 4, "overdue": 2}
    assert found["receipts_proved"] == 2
    assert found["log_size"] > 20
    assert outcome.err.isascii()
    assert outcome.err.count("[ok]") == 10
    assert not list(tmp_path.iterdir())


def test_what_was_shredded_can_not_be_opened(tmp_path: Path) -> None:
    vault = Vault(tmp_path / "vault")
    vault.put(ARTIFACT, b"weights")
    before = vault.head
    assert vault.open(ARTIFACT) == b"weights"
    assert b"weights" not in b"".join(file.read_bytes() for file in vault.folder.iterdir())
    assert vault.shred(ARTIFACT)
    assert vault.head != before
    assert vault.epoch == 1
    assert not vault.shred(ARTIFACT), "once"
    assert list(vault.folder.iterdir()) == []
    with pytest.raises(FileNotFoundError):
        vault.open(ARTIFACT)


def test_a_step_that_does_not_hold_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def breaks(stage: Stage) -> list[str]:
        hold(stage.phones, "there is no phone")
        return []

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(demo_runner, "STEPS", (demo_runner.Step("Look for a phone", breaks),))
    with pytest.raises(DemoFailed, match="the step 'Look for a phone' did not hold: there is no phone") as failed:
        demo_runner.run_demo(keep=False, as_json=True)
    log = Path(failed.value.advice.rpartition(" ")[2])
    shown = capsys.readouterr().err
    assert "[FAILED] Look for a phone" in shown
    assert log.is_relative_to(tmp_path)
    assert str(log.parent) in shown, "what is kept is named"


def test_a_finding_that_is_missing_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo_runner, "STEPS", ())
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(DemoFailed, match="these did not hold: attested, leases_verified") as failed:
        demo_runner.run_demo(keep=False, as_json=True)
    assert failed.value.exit_code == 1
    assert str(tmp_path) in capsys.readouterr().err, "what there is to look at is kept, and named"
