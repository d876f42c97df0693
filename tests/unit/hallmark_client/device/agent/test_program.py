"""`python -m hallmark_client.device.agent`: what it takes, and how it says no."""

import os
from pathlib import Path

import pytest

from hallmark_client.device.agent.__main__ import main

GOOD = ["--vault", "v", "--root", "keyring:", "--socket", "s", "--app", "app=uid=1000"]


@pytest.mark.parametrize(
    "more",
    [
        ["--app", "app"],
        ["--app", "hallmark.owner=uid=1001"],
        ["--socket-mode", "999"],
        ["--folder-mode", "rwx"],
        ["--limit", "nothing=1"],
        ["--limit", "readers=0"],
        ["--follow", "example-7b=https://models.example"],
        ["--trust", "release-trust"],
        ["--follow", "example-7b", "--trust", "t"],
        ["--follow", "Example=https://models.example", "--trust", "t"],
        ["--follow", "example-7b=r", "--trust", "t", "--every", "9"],
    ],
)
def test_wrong_usage(more: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*GOOD, *more])
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert "Example:" in told
    assert "unit=assistant.service" in told
    assert "--follow example-7b=https://models.example" in told


def test_a_root_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--vault", str(tmp_path / "v"), "--root", "floppy:", "--socket", str(tmp_path / "s")]
    assert main([*arguments, "--app", f"app=uid={os.geteuid()}"]) == 1
    assert "names no root of trust" in capsys.readouterr().err


def test_a_passphrase_that_nobody_gave(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--vault", str(tmp_path / "v"), "--root", f"passphrase:{tmp_path / 'v/r'}", "--socket", "s"]
    assert main([*arguments, "--app", f"app=uid={os.geteuid()}"]) == 1
    assert "give --secret-file FILE" in capsys.readouterr().err


def test_only_an_enrolled_device_follows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "v"
    arguments = ["--vault", str(folder), "--root", "keyring:", "--socket", "s", "--app", "app=uid=1000"]
    assert main([*arguments, "--follow", "example-7b=repository", "--trust", str(tmp_path)]) == 1
    assert "hallmark_client.device enrol" in capsys.readouterr().err
    assert not folder.exists()
