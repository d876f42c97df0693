"""Measurements with processes of their own: bare engines beside one another, callers apart from the server."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kms.cli.bench.cpu import cpu_of_server
from kms.cli.connection import Server
from kms.cli.failure import CommandError, ExitCode


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineAlone:
    """Engine and token without a service: signatures a second of all processes together, CPU of one in microseconds.

    See hsm.pkcs11.raw_engine for what the four loops do.
    """

    processes: int
    per_second: dict[str, float]
    cpu_us: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """What callers saw. Latencies of calls (of whole batches), milliseconds. CPU in microseconds for each signature."""

    per_second: float
    p50_ms: float
    p99_ms: float
    caller_cores: float
    caller_us: float
    front_us: float | None
    signers_us: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """What clients of the log saw. Latencies of calls to their answer, milliseconds. CPU in microseconds an entry."""

    entries: int
    per_second: float
    p50_ms: float
    p99_ms: float
    caller_us: float
    front_us: float | None
    signers_us: float | None


def list_engines() -> list[str]:
    """Those that can sign here, `cryptography` first. In a process: drivers stay out of this one."""
    command = [sys.executable, "-P", "-m", "hsm.pkcs11.raw_engine", "--list"]
    found: list[str] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return found


def run_engine(data_folder: Path, *, engine: str, processes: int, seconds: float) -> EngineAlone:
    """All at the same time, on a throw-away token in `data_folder`."""
    command = [
        "hsm.pkcs11.raw_engine",
        f"--data-folder={data_folder}",
        f"--engine={engine}",
        f"--seconds={seconds}",
    ]
    with started([command] * processes) as children:
        answers = [answer(child) for child in _go(children)]
    loops = answers[0].keys()
    return EngineAlone(
        processes=processes,
        per_second={loop: sum(answer[loop]["per_second"] for answer in answers) for loop in loops},
        cpu_us={loop: sum(answer[loop]["cpu_us"] for answer in answers) / processes for loop in loops},
    )


def run_callers(
    server: Server, pid: int | None, *, key_name: str, mode: str, concurrency: int, batch: int = 1, **more: float
) -> Called:
    """`more`: seconds, rate. `pid` of the server where its CPU can be read."""
    with callers(server, key_name=key_name, mode=mode, concurrency=concurrency, batch=batch, **more) as child:
        before = cpu_of_server(pid)
        _go([child])
        found = answer(child)
        after = cpu_of_server(pid)
    signatures = found["signatures"]
    used = after.since(before) if before is not None and after is not None else None
    return Called(
        per_second=found["per_second"],
        p50_ms=found["p50_ms"],
        p99_ms=found["p99_ms"],
        caller_cores=found["caller_seconds"] / found["seconds"],
        caller_us=found["caller_seconds"] / signatures * 1e6,
        front_us=None if used is None else used.front / signatures * 1e6,
        signers_us=None if used is None else used.signers / signatures * 1e6,
    )


@contextlib.contextmanager
def callers(
    server: Server, *, key_name: str, mode: str, concurrency: int, batch: int = 1, **more: float
) -> Iterator[subprocess.Popen[bytes]]:
    """Warmed up, waiting for their start; ended with the block. `more`: seconds, rate."""
    profile = server.profile_folder or server.home / "clients" / server.role
    command = [
        "kms.cli.bench.callers",
        f"--profile={profile.resolve()}",
        f"--key={key_name}",
        f"--mode={mode}",
        f"--concurrency={concurrency}",
        f"--batch={batch}",
        *(f"--{name}={value}" for name, value in more.items()),
    ]
    with started([command]) as (child,):
        yield child


def run_log_callers(
    profile: Path, pid: int, *, mode: str, clients: int, batch: int, seconds: float, entries: int = 0
) -> Appended:
    """Clients that append, each with a connection of its own (kms.cli.bench.log_callers). `entries`: stop there."""
    command = [
        "kms.cli.bench.log_callers",
        f"--profile={profile.resolve()}",
        f"--mode={mode}",
        f"--clients={clients}",
        f"--batch={batch}",
        f"--seconds={seconds}",
        f"--entries={entries}",
    ]
    with started([command]) as children:
        before = cpu_of_server(pid)
        _go(children)
        found = answer(children[0])
        after = cpu_of_server(pid)
    used = after.since(before) if before is not None and after is not None else None
    count = found["entries"]
    return Appended(
        entries=count,
        per_second=found["per_second"],
        p50_ms=found["p50_ms"],
        p99_ms=found["p99_ms"],
        caller_us=found["caller_seconds"] / count * 1e6,
        front_us=None if used is None else used.front / count * 1e6,
        signers_us=None if used is None else used.signers / count * 1e6,
    )


def start(child: subprocess.Popen[bytes]) -> None:
    """Lets waiting callers go, to run beside something else."""
    _go([child])


@contextlib.contextmanager
def started(commands: Sequence[Sequence[str]]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """One after the other, each when the one before is ready; all are ended with the block.

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
        yield children


def _go(children: Sequence[subprocess.Popen[bytes]]) -> Sequence[subprocess.Popen[bytes]]:
    for child in children:
        assert child.stdin is not None
        child.stdin.write(b"go\n")
        child.stdin.flush()
    return children


def answer(child: subprocess.Popen[bytes]) -> dict[str, Any]:
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
