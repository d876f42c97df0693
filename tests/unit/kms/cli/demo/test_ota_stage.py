from pathlib import Path
from types import SimpleNamespace

import pytest

from kms.cli.demo import ota_stage
from kms.cli.demo.ota_stage import OtaStage, until
from kms.cli.demo.stage import DemoFailed


def test_it_looks_again_until_it_is_so() -> None:
    answers = iter([False, None, "", "yes"])
    until(lambda: next(answers), "never")
    assert next(answers, "looked no further") == "looked no further"


def test_what_never_comes_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ota_stage, "_PATIENCE_SECONDS", 0.05)
    with pytest.raises(DemoFailed, match="no receipt came"):
        until(lambda: False, "no receipt came")


def test_phone_and_root_are_closed_once_and_in_order(tmp_path: Path) -> None:
    closed: list[str] = []
    stage = OtaStage(tmp_path)
    stage.close()  # before anything was made
    stage.device = SimpleNamespace(close=lambda: closed.append("device"))
    stage.root = SimpleNamespace(close=lambda: closed.append("root"))
    stage.close()
    stage.close()
    assert closed == ["device", "root"]
