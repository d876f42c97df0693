"""What the documents tell a newcomer to do, done as it stands, against a service that was just started."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.documents import blocks, environment, run_python, run_shell
from support.service import running_service

WEIGHTS = os.urandom(5_000_000)
TRY = "Try it on a desktop"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """With a service of its own (its policy is changed), and a model."""
    with running_service(tmp_path / "hallmark-data"):
        (tmp_path / "example-7b").mkdir()
        (tmp_path / "example-7b/weights.bin").write_bytes(WEIGHTS)
        yield tmp_path


def test_from_a_folder_of_weights_to_an_app_on_a_device(folder: Path) -> None:
    prepare, serve = blocks("device.md", "sh", section=TRY)
    enrol, app = blocks("device.md", "python", section=TRY)
    run_shell(prepare, folder)
    told = run_python(enrol, folder)
    assert "has example-7b of epoch 1" in told
    assert WEIGHTS[64:80].hex() in told
    _serve_and_ask(serve, app, folder)
    assert "Everything is as it was stored" in run_shell("hallmark vault check --secret-file passphrase", folder)
    (update,) = blocks("device-update.md", "python")
    root = next(line for line in enrol.splitlines() if line.startswith("root = "))
    imported = [line for line in enrol.splitlines() if line.startswith(("from", "import"))]
    run_python("\n".join([*imported, root, update]), folder)
    _verify_as_an_auditor(folder)


def test_the_same_without_a_program(folder: Path) -> None:
    prepare, _ = blocks("device.md", "sh", section=TRY)
    _, app = blocks("device.md", "python", section=TRY)
    (commands,) = blocks("device.md", "sh", section="Without a program")
    (serve,) = blocks("device-agent.md", "sh", section="Updates by itself")
    run_shell(prepare, folder)
    told = run_shell(commands, folder)
    assert "Installed example-7b 1.0.0, epoch 1: 5,000,000 bytes in 1 file." in told
    assert "may be used" in told
    _serve_and_ask(serve, app, folder)
    (program,) = blocks("device-agent.md", "python", section="Updates by itself")
    run_python(program, folder)


def _serve_and_ask(serve: str, app: str, folder: Path) -> None:
    with subprocess.Popen(
        ["sh", "-c", f"exec {serve}"], cwd=folder, env=environment(), stdout=subprocess.PIPE
    ) as agent:
        try:
            assert agent.stdout
            assert agent.stdout.readline() == b"serving run/agent.sock\n"
            assert run_python(app, folder) == "example-7b ['weights.bin']\n"
            refused = run_shell("hallmark vault list --json --secret-file passphrase || true", folder)
            assert '"VAULT_IN_USE"' in refused
        finally:
            agent.send_signal(signal.SIGTERM)
            assert agent.wait(30) == 0


def _verify_as_an_auditor(folder: Path) -> None:
    commands = next(block for block in blocks("releases.md", "") if block.startswith("python -m hallmark_release"))
    told = run_shell(commands, folder)
    assert '"verified": true' in told
    assert "files: 1" in told
    assert "holds" in run_shell("hallmark release verify example-7b --parts", folder)
