from pathlib import Path

import pytest

from hallmark_tlog.vkey import KeyType
from kms.app.log_settings import witness_settings
from kms.config import ConfigError, load_config
from kms.log.witnesses.settings import WitnessMode, WitnessSettings
from support.witnesses import cosigning_key


def test_without_a_policy_nobody_is_asked() -> None:
    assert witness_settings(load_config(environment={})) == WitnessSettings()


def test_the_policy_lies_in_the_home_and_the_mode_is_chosen(tmp_path: Path) -> None:
    vkey = cosigning_key("w.example/1", KeyType.ML_DSA_44).vkey
    (tmp_path / "witnesses.policy").write_text(f"witness w {vkey} https://w.example/\nquorum w\n")
    environment = {
        "HALLMARK__HOME": str(tmp_path),
        "HALLMARK__LOG__WITNESS_POLICY": "witnesses.policy",
        "HALLMARK__LOG__WITNESS_MODE": "closed",
        "HALLMARK__LOG__WITNESS_TIMEOUT_SECONDS": "2.5",
        "HALLMARK__LOG__WITNESS_INTERVAL_SECONDS": "0",
    }
    settings = witness_settings(load_config(environment=environment))
    assert list(settings.by_url()) == ["https://w.example"]
    assert (settings.mode, settings.timeout_seconds, settings.interval_seconds) == (WitnessMode.CLOSED, 2.5, 0)


@pytest.mark.parametrize("content", [None, "quorum w\n", "witness w nonsense\nquorum w\n"])
def test_a_policy_that_can_not_work_names_the_setting(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "p").write_text(content)
    config = load_config(environment={"HALLMARK__HOME": str(tmp_path), "HALLMARK__LOG__WITNESS_POLICY": "p"})
    with pytest.raises(ConfigError, match=r"^log\.witness_policy: "):
        witness_settings(config)


@pytest.mark.parametrize("wrong", ["maybe", ""])
def test_modes_are_two(wrong: str) -> None:
    with pytest.raises(ConfigError, match="witness_mode"):
        load_config(environment={"HALLMARK__LOG__WITNESS_MODE": wrong})
