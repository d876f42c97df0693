"""`python -m hallmark_release`: what it prints, and an exit code of its own for each failed check."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hallmark_release import errors
from hallmark_release.__main__ import main
from hallmark_release.source import ReleaseSource
from hallmark_release.trust import COMPOSITE_FILE, ECDSA_FILE, POLICY_FILE, ROOT_FILE
from hallmark_release.verify import VerifiedParts, VerifiedRelease
from unit.hallmark_release.release_world import MODEL, NOW, Publisher, later, release_files, statement_key


@pytest.fixture
def trust(publisher: Publisher, tmp_path: Path) -> Path:
    folder = tmp_path / "trust"
    folder.mkdir()
    (folder / ROOT_FILE).write_bytes(publisher.trust.root)
    pem = publisher.trust.ecdsa.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / ECDSA_FILE).write_bytes(pem)
    (folder / COMPOSITE_FILE).write_text(publisher.trust.composite.to_spki_pem())
    (folder / POLICY_FILE).write_text(str(publisher.trust.policy))
    return folder


def test_a_release(publisher: Publisher, trust: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publisher.publish({"a": b"weights"}, epoch=4)
    command = ["verify", str(publisher.served), MODEL, "--trust", str(trust), "--state", str(tmp_path / "state")]
    at = ["--now", NOW.isoformat()]
    assert main([*command, *at, "--parts", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["verified"], told["epoch"], told["encrypted_bytes_checked"]) == (True, 4, 79)
    assert main([*command, *at]) == 0
    assert "epoch: 4" in capsys.readouterr().out
    assert main([*command, *at, "--minimum-epoch", "5", "--json"]) == 31
    assert json.loads(capsys.readouterr().out)["reason"] == "EPOCH_TOO_OLD"
    assert main([*command, "--now", later(days=30).isoformat()]) == 21
    assert "refresh" in capsys.readouterr().err
    assert main(["verify", str(publisher.served), "other", "--trust", str(trust), *at]) == 25
    assert main(["verify", str(tmp_path / "nowhere"), MODEL, "--trust", str(trust), *at]) == 41
    assert main(["verify", str(publisher.served), MODEL, "--trust", str(tmp_path), *at]) == 51
    (trust / ECDSA_FILE).write_text("no key")
    assert main([*command, *at]) == 51


def test_a_folder(publisher: Publisher, trust: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    built = publisher.build({"a": b"weights"})
    bundle = tmp_path / "model.sig"
    bundle.write_bytes(release_files(built)["model.sig"])
    folder = publisher.folder / f"plain-{MODEL}-1"
    command = ["verify-folder", str(folder), str(bundle), "--key", str(trust / ECDSA_FILE), "--json"]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["files"] == 1
    (folder / "model.sig").write_bytes(bundle.read_bytes())  # where Model Signing puts it
    assert main([*command[:2], str(folder / "model.sig"), *command[3:]]) == 0
    assert main(command) == 15
    (folder / "model.sig").unlink()
    (folder / "a").write_bytes(b"other!!")
    assert main(command) == 15
    bundle.write_bytes(b"{}")
    assert main(command) == 10
    assert statement_key().public_key() == publisher.trust.ecdsa


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ([], "COMMAND"),
        (["verify"], "repository"),
        (["verify", "a", "b"], "--trust"),
        (["verify", "a", "b", "--trust", "t", "--now", "2026-11-22"], "such as 2026-"),
        (["verify", "a", "b", "--trust", "t", "--now", "0001-01-01T00:00:00+23:00"], "such as 2026-"),
        (["verify", "a", "b", "--trust", "t", "--minimum-epoch", "-4"], "a whole number from 0"),
        (["verify", "a", "b", "--trust", "t", "--minimum-epoch", "9" * 5000], "a whole number from 0"),
    ],
)
def test_usage(wrong: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(wrong)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_each_refusal_says_what_to_do(capsys: pytest.CaptureFixture[str], trust: Path, tmp_path: Path) -> None:
    """Also for programs."""
    assert main(["verify", str(tmp_path), MODEL, "--trust", str(trust), "--json"]) == 41
    told = capsys.readouterr()
    assert "metadata/timestamp.json" in json.loads(told.out)["advice"]
    assert json.loads(told.out)["advice"] in told.err
    (tmp_path / "bundle").write_bytes(b"{}")
    assert main(["verify-folder", str(tmp_path), str(tmp_path / "bundle"), "--key", str(trust / ECDSA_FILE)]) == 10
    assert "model.sig" in capsys.readouterr().err
    for name in ("FormatInvalid", "WrongKey", "MetadataRolledBack", "EpochTooOld", "SourceFailed", "ReleaseUnknown"):
        assert getattr(errors, name)("what happened").advice
    assert errors.SourceFailed("what happened", advice="this").advice == "this"


@pytest.mark.parametrize("output", ["/dev/full", "closed"])
def test_output_that_can_not_be_written(output: str, publisher: Publisher, trust: Path) -> None:
    """No traceback, and not the 0 of what holds."""
    publisher.publish({"a": b"weights"}, epoch=4)
    command = [sys.executable, "-m", "hallmark_release", "verify", str(publisher.served), MODEL, "--trust", str(trust)]
    shut, end = os.pipe()
    os.close(shut)
    with os.fdopen(end if output == "closed" else os.open(output, os.O_WRONLY), "wb") as out:
        ended = subprocess.run([*command, "--now", NOW.isoformat()], stdout=out, stderr=subprocess.PIPE, check=False)
    assert ended.returncode == 1
    assert b"Traceback" not in ended.stderr
    assert (b"can not be written" in ended.stderr) == (output == "/dev/full")


def test_stopped_by_ctrl_c(
    publisher: Publisher, trust: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    publisher.publish({"a": b"weights"}, epoch=4)
    bars: list[int] = []

    def interrupted(source: ReleaseSource, release: VerifiedRelease, progress: Callable[[int], None]) -> VerifiedParts:
        for _ in range(2):
            progress(40)
            bars.append(40)
        raise KeyboardInterrupt

    monkeypatch.setattr("hallmark_release.__main__.verify_parts", interrupted)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    command = ["verify", str(publisher.served), MODEL, "--trust", str(trust), "--now", NOW.isoformat(), "--parts"]
    assert main(command) == 130
    told = capsys.readouterr()
    assert "comparing  50 %" in told.err
    assert "stopped" in told.err
    assert "Traceback" not in told.err
    assert told.out == ""
    assert bars == [40, 40]


def test_each_error_has_its_own_exit_code() -> None:
    classes = [
        each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.ReleaseError)
    ]
    codes = [each.exit_code for each in classes]
    assert len(set(codes)) == len(codes) > 20
    assert len({each.reason for each in classes}) == len(classes)
    assert not {0, 2} & set(codes)
    tree = errors.__doc__ or ""
    for each in classes:
        if each is not errors.ReleaseError:
            assert f"{each.__name__} " in tree
            assert str(each.exit_code) in tree
