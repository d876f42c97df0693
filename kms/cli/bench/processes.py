"""Measurements with processes of their own: bare engines beside one another, callers apart from the server."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kms.cli.connection import Server
from kms.cli.failure import CommandError, ExitCode


@dataclass(frozen=True, slots=True, kw_only=True)
class RawEngine:
    """Signatures a second of all processes together. bare: both halves, nothing else. checked: as the service needs."""

    bare_per_second: float
    checked_per_second: float

    def mean(self, other: "RawEngine") -> "RawEngine":
        return RawEngine(
            bare_per_second=(self.bare_per_second + other.bare_per_second) / 2,
            checked_per_second=(self.checked_per_second + other.checked_per_second) / 2,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Unary:
    """caller_cores: CPU seconds a second that the callers themselves used."""

    per_second: float
    p50_ms: float
    p99_ms: float
    caller_cores: float


def run_raw_engine(data_folder: Path, *, engine: str, material: bytes, processes: int, seconds: float) -> RawEngine:
    """One process for each signer, all at the same time, on the token in `data_folder` and its key."""
    arguments = [
        "kms.cli.bench.raw_engine",
        f"--data-folder={data_folder}",
        f"--engine={engine}",
        f"--material={material.hex()}",
        f"--seconds={seconds}",
    ]
    token = _find_token(data_folder)
    arguments += [f"--token-serial={token['token_serial']}", f"--kek-id={token['kek_id']}"]
    answers = _run_together([arguments] * processes)
    return RawEngine(
        bare_per_second=sum(answer["bare_per_second"] for answer in answers),
        checked_per_second=sum(answer["checked_per_second"] for answer in answers),
    )


def _find_token(data_folder: Path) -> dict[str, str]:
    """Serial and key-encryption key of the token that is there already. In a process: drivers stay out of this one."""
    command = [sys.executable, "-P", "-m", "hsm.pkcs11.setup", f"--data-folder={data_folder}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    found: dict[str, str] = json.loads(done.stdout)
    if "code" in found:
        raise CommandError(found["code"], found["message"], exit_code=ExitCode.NOT_USABLE)
    return found


def run_callers(server: Server, *, key_name: str, concurrency: int, seconds: float) -> Unary:
    profile = server.profile_folder or server.home / "clients" / server.role
    arguments = [
        "kms.cli.bench.callers",
        f"--profile={profile.resolve()}",
        f"--key={key_name}",
        f"--concurrency={concurrency}",
        f"--seconds={seconds}",
    ]
    (answer,) = _run_together([arguments])
    return Unary(**answer)


def _run_together(commands: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    """Start one after the other, each when the one before is ready; let them go at once, and read what each found.

    Not all at once: SoftHSM rewrites the token's file at each login, and who lists tokens meanwhile does not find it.
    Raises CommandError with the last words of the first that fails.
    """
    with contextlib.ExitStack() as running:
        children = []
        for command in commands:
            child = subprocess.Popen(
                [sys.executable, "-P", "-m", *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(os.environ),
            )
            running.callback(_end, child)
            children.append(child)
            assert child.stdout is not None
            if child.stdout.readline() != b"ready\n":
                raise _failure(child)
        for child in children:
            assert child.stdin is not None
            child.stdin.write(b"go\n")
            child.stdin.flush()
        return [_answer(child) for child in children]


def _answer(child: subprocess.Popen[bytes]) -> dict[str, Any]:
    assert child.stdout is not None
    try:
        found: dict[str, Any] = json.loads(child.stdout.readline())
    except ValueError:
        raise _failure(child) from None
    return found


def _failure(child: subprocess.Popen[bytes]) -> CommandError:
    _, words = child.communicate()
    last = words.decode("utf-8", "replace").strip().splitlines()[-1:] or ["no word"]
    return CommandError("BENCH_FAILED", f"a measuring process failed: {last[0]}", exit_code=ExitCode.NOT_SO)


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.kill()
    for stream in (child.stdin, child.stdout, child.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
    child.wait()
