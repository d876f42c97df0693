"""The vault on the command line: a story, its mistakes, and what each command teaches."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import pytest

from hallmark_client.device.agent import AgentClient
from kms.cli import main
from kms.cli.vault.group import vault
from unit.kms.cli.console import Console

CONTENT = os.urandom(100_000)


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(main.COMMANDS, "vault", main.Entry("kms.cli.vault.group:vault", "The vault."))
    monkeypatch.chdir(tmp_path)
    Path("secret").write_text("a passphrase for tests\n")
    Path("secret").chmod(0o600)
    monkeypatch.setenv("HALLMARK_VAULT_SECRET_FILE", "secret")
    Path("model").write_bytes(CONTENT)


@pytest.fixture
def made(hallmark: Console) -> Console:
    assert hallmark("vault", "init", "--allow", "assistant", "--allow", "hallmark-vault").code == 0
    return hallmark


def commands(group: click.Group) -> Iterator[click.Command]:
    for command in group.commands.values():
        if isinstance(command, click.Group):
            yield from commands(command)
        else:
            yield command


def test_every_command_teaches() -> None:
    for command in commands(vault):
        assert "Example:" in (command.help or ""), command.name


def test_a_life_of_an_artifact(made: Console) -> None:
    stored = made("vault", "put", "model", "--name", "models/chat", "--version", 3, "--label", "a=b", "--json")
    assert (stored.code, stored.document["version"], stored.document["labels"]) == (0, 3, {"a": "b"})
    assert made("vault", "get", "models/chat", "--as", "assistant", "-o", "out").code == 0
    assert Path("out").read_bytes() == CONTENT
    assert Path("out").stat().st_mode & 0o777 == 0o600
    assert "models/chat  3" in made("vault", "list").out
    shown = made("vault", "show", "models/chat", "--as", "stranger", "--json").document
    assert [(clause["name"], clause["allows"]) for clause in shown["clauses"]][1] == ("callers", False)
    assert made("vault", "rotate", "--json").document == {"epoch": 2}
    deleted = made("vault", "delete", "models/chat", "--yes", "--json").document
    assert (deleted["epoch_before"], deleted["epoch_after"]) == (2, 3)
    assert made("vault", "list", "--json").document == []
    entries = made("vault", "audit", "--export", "audit.jsonl", "--json").document["entries"]
    assert {"put", "get", "rotated", "deleted"} <= {entry["act"] for entry in entries}
    verified = subprocess.run(
        [sys.executable, "-m", "hallmark_client.device.audit", "audit.jsonl"], check=False, capture_output=True
    )
    assert verified.returncode == 0


def test_what_the_vault_says_no_to(made: Console) -> None:
    assert made("vault", "put", "model", "--name", "chat").code == 0
    again = made("vault", "put", "model", "--name", "chat")
    assert again.code == 1
    assert "--version" in again.err
    denied = made("vault", "get", "chat", "--as", "stranger", "-o", "out", "--json")
    assert (denied.code, denied.document["error"]["reason"]) == (1, "POLICY_VIOLATION")
    assert not Path("out").exists()
    missing = made("vault", "get", "none", "-o", "out")
    assert missing.code == 1
    assert "vault list" in missing.err


def test_damage_is_found(made: Console) -> None:
    made("vault", "put", "model", "--name", "chat")
    assert made("vault", "check").code == 0
    blob = next(path for path in Path("vault/blobs").rglob("*") if path.is_file())
    with blob.open("r+b") as file:
        file.seek(50_000)
        file.write(b"\0\0\0\0")
    checked = made("vault", "check", "--json")
    assert checked.code == 1
    assert [damage["name"] for damage in checked.document["damages"]] == ["chat"]


def test_the_policy_is_changed_by_an_administrator(made: Console) -> None:
    policy = made("vault", "policy", "show").document
    Path("policy.json").write_text(json.dumps({**policy, "version": 2}, indent=4))
    assert made("vault", "policy", "set", "policy.json", "--as", "stranger").code == 1
    assert made("vault", "policy", "set", "policy.json").code == 0
    assert made("vault", "policy", "set", "policy.json").code == 1
    for wrong in ("{", "[]", '{"version": 3}', '{"version": 3, "version": 4}', "1.5"):
        Path("policy.json").write_text(wrong)
        assert made("vault", "policy", "set", "policy.json").code == 2


def test_mistakes(hallmark: Console) -> None:
    nothing = hallmark("vault", "list")
    assert nothing.code == 2
    assert "hallmark vault init" in nothing.err
    assert hallmark("vault", "init", "--root", "floppy:").code == 2
    assert hallmark("vault", "serve", "--socket", "s", "--app", "x=uid=1").code == 2
    assert hallmark("vault", "put", "-").code == 2
    assert not Path("vault/index.sqlite").exists()


def test_what_no_artifact_can_have_is_a_mistake_of_usage(made: Console) -> None:
    """Not a defect of this program."""
    for wrong in (["--name", "n" * 300], ["--version", 2**60], ["--label", f"{'n' * 300}=v"]):
        assert made("vault", "put", "model", *wrong).code == 2
    assert made("vault", "init", "--vault", "other", "--allow", "").code == 2
    assert made("vault", "list", "--json").document == []


def test_what_is_no_file_is_written_to_and_stays(made: Console) -> None:
    """Who runs this as root shall not find a file where /dev/null was."""
    assert made("vault", "put", "model", "--name", "chat").code == 0
    os.mkfifo("pipe")
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(Path("pipe").read_bytes)
        assert made("vault", "get", "chat", "-o", "pipe").code == 0
        assert read.result(10) == CONTENT
    assert Path("pipe").is_fifo()
    Path("null").symlink_to("/dev/null")
    assert "Wrote null" in made("vault", "get", "chat", "-o", "null").out
    assert Path("null").is_symlink()
    Path("full").symlink_to("/dev/full")
    full = made("vault", "get", "chat", "-o", "full")
    assert full.code == 2
    assert "full: No space left" in full.err


def test_without_a_terminal_nobody_is_asked(made: Console) -> None:
    """No warning of getpass, no prompt into nothing: what to give instead."""
    ended = subprocess.run(
        [sys.executable, "-c", "from kms.cli import main; main.main()", "vault", "list"],
        env={name: value for name, value in os.environ.items() if name != "HALLMARK_VAULT_SECRET_FILE"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    assert ended.returncode == 2
    assert "--secret-file" in ended.stderr
    assert "Warning" not in ended.stderr


def test_a_wrong_passphrase(made: Console) -> None:
    Path("secret").write_text("another one\n")
    refused = made("vault", "list")
    assert refused.code == 2
    assert "passphrase" in refused.err


def test_serving(made: Console) -> None:
    assert made("vault", "put", "model", "--name", "chat").code == 0
    command = (
        "from kms.cli import main; main.COMMANDS['vault'] = main.Entry('kms.cli.vault.group:vault', ''); main.main()"
    )
    arguments = ["vault", "serve", "--socket", "run/s", "--app", f"assistant=uid={os.geteuid()}"]
    with subprocess.Popen([sys.executable, "-c", command, *arguments], stdout=subprocess.PIPE, text=True) as agent:
        try:
            assert agent.stdout
            assert agent.stdout.readline() == "serving run/s\n"
            with AgentClient(Path("run/s")) as client:
                assert client.read("chat") == CONTENT
                assert client.status().application == "assistant"
            assert made("vault", "list").code == 2  # VAULT_IN_USE
            agent.send_signal(signal.SIGTERM)  # a shell's background jobs ignore Ctrl-C, and so do their children
            assert agent.wait(30) == 0
        finally:
            agent.kill()
    assert made("vault", "list").code == 0
