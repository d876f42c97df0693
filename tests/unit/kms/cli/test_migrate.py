"""`hallmark migrate`: exit codes and words."""

from pathlib import Path

import pytest

from unit.kms.cli.console import Console


def test_look_then_migrate_then_look(hallmark: Console, tmp_path: Path) -> None:
    home = ("--home", tmp_path / "home")
    before = hallmark("migrate", *home, "--check")
    assert before.code == 1
    assert "The database has schema none; this version brings" in before.out
    assert not (tmp_path / "home").exists()
    done = hallmark("migrate", *home)
    assert done.code == 0
    assert "The database had schema none, and has" in done.out
    after = hallmark("migrate", *home, "--check")
    assert after.code == 0
    assert "has the schema of this version" in after.out
    document = hallmark("migrate", *home, "--json").document
    assert document["current"] is True
    assert document["before"] == document["stored"] == document["newest"]


def test_looking_grants_nothing(hallmark: Console, tmp_path: Path) -> None:
    outcome = hallmark("migrate", "--home", tmp_path, "--check", "--edge-role", "edge")
    assert outcome.code == 2
    assert "leave --edge-role out" in outcome.err


def test_a_database_that_is_away_says_so(hallmark: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HALLMARK__DATABASE__URL", "postgresql+psycopg://hallmark@127.0.0.1:1/hallmark")
    outcome = hallmark("migrate", "--home", tmp_path)
    assert outcome.code == 2
    assert "Traceback" not in outcome.err


def test_settings_that_are_wrong(hallmark: Console, tmp_path: Path) -> None:
    file = tmp_path / "hallmark.toml"
    file.write_text("[database]\nulr = 1\n")
    outcome = hallmark("migrate", "--config", file)
    assert outcome.code == 2
    assert "database.ulr" in outcome.err
