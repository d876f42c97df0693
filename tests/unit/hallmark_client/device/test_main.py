"""`python -m hallmark_client.device`: what it takes, how it says no, and that it makes nothing where it says no."""

import io
import json
import sys
from pathlib import Path

import pytest

from hallmark_client.device.__main__ import main
from hallmark_client.device.commands import acts
from hallmark_client.device.commands.policy_file import allowing, read_policy
from hallmark_client.device.commands.telling import Line, Told, tell
from hallmark_client.device.policy import PolicyInvalid, VaultPolicy
from hallmark_client.device.updates import Progress, Stage

WHERE = ["--vault", "vault", "--root", "passphrase:vault/root.json"]
UPDATE = ["update", "example-7b", *WHERE, "--from", "repository"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", [[], ["enrol"], ["status"], ["update"], ["work"]])
def test_help_teaches(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    assert "Example:" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["enrol", *WHERE],
        ["enrol", *WHERE, "--service", "s", "--allow", "a", "--policy", "p"],
        ["status", "--vault", "vault"],
        [*UPDATE],
        ["update", "Example 7B", *WHERE, "--from", "r", "--trust", "t"],
        ["work", *WHERE, "--seconds", "0"],
        ["work", *WHERE, "--seconds", "soon"],
    ],
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["status"], ["work"]])
def test_where_nothing_was_enrolled_nothing_is_made(
    command: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, *WHERE, "--json"]) == 1
    told = capsys.readouterr()
    assert json.loads(told.out)["error"]["reason"] == "NOT_ENROLLED"
    assert "hallmark_client.device enrol" in told.err
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["enrol", *WHERE, "--service", "nowhere"], "PROFILE_MISSING"),
        ([*UPDATE, "--trust", "nowhere"], "TRUST_UNUSABLE"),
    ],
)
def test_what_can_not_be_used(
    arguments: list[str], reason: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert (told.out, list(folder.iterdir())) == ("", [])
    assert f"[{reason}]" in told.err


def test_a_passphrase_that_nobody_gave(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "vault").mkdir()
    (folder / "vault" / "life.db").touch()
    assert main(["status", *WHERE]) == 2
    assert "give --secret-file FILE" in capsys.readouterr().err


def test_ctrl_c(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(folder: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(acts, "check_enrolled", interrupted)
    assert main(["status", *WHERE]) == 130
    assert "the same command goes on" in capsys.readouterr().err


def test_a_result_that_nobody_takes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert tell(Told(facts={}, text="done"), as_json=False) == 1
    assert "it is done, but" in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stream", "shown"), [(Terminal(), True), (io.StringIO(), False)])
def test_progress_is_for_terminals(stream: io.StringIO, shown: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    line = Line()
    for done in (1, 1, 5, 10):
        line.progress(Progress(stage=Stage.FETCHING, done=done * 1000, total=10_000))
    line.clear()
    told = stream.getvalue()
    if shown:
        assert told.count("\r") == 4, "the same twice is told once"
        assert "fetching: 50 % of 10,000 bytes" in told
        assert told.endswith("\r\x1b[K")
    else:
        assert told == ""


def test_a_policy_as_people_write_it(folder: Path) -> None:
    assert allowing(["assistant"]) == VaultPolicy.allow_own("assistant")
    policy = allowing(["camera", "assistant", "camera"])
    (folder / "policy.json").write_text(json.dumps(json.loads(policy.to_bytes()), indent=2))
    assert read_policy(folder / "policy.json") == policy


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 1, "version": 2}', '{"version": 1}', "1e999", "\0"])
def test_what_is_no_policy(text: str, folder: Path) -> None:
    (folder / "policy.json").write_text(text)
    with pytest.raises(PolicyInvalid):
        read_policy(folder / "policy.json")
