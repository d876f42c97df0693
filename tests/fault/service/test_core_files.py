"""Processes that crash where core files are wanted: neither a signer nor the server leaves one."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hallmark_client import HallmarkError
from support.fault_runs import long_only
from support.secrets_on_disk import core_files, find_secrets, secrets_of
from support.service import RunningService, running_service
from support.signer_processes import signer_pids

_SECRET = bytes(range(100, 132))
_CRASH = """
import os, sys
from hsm.pkcs11.worker import harden_process
if sys.argv[1] == "hardened":
    harden_process()
secret = bytes(range(100, 132))
os.abort()
"""
_HARDENED = """
import ctypes, resource
from hsm.pkcs11.worker import harden_process
harden_process()
print(*resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""
"""3 is PR_GET_DUMPABLE."""


@pytest.fixture(autouse=True)
def cores_wanted() -> Iterator[None]:
    """Of this process and its children, as on a machine where the operator collects core files."""
    before = _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    if hard == 0:
        pytest.skip("core files are forbidden to this process (ulimit -Hc)")
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_CORE, before)


@pytest.fixture
def cores_here() -> None:
    if Path("/proc/sys/kernel/core_pattern").read_text().startswith(("|", "/")):
        pytest.skip("the system takes core files elsewhere (kernel.core_pattern), where this test can not look")


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_a_hardened_process_can_not_be_dumped() -> None:
    """A limit of 0 alone would not do: the kernel hands a core to a program (kernel.core_pattern) in spite of it."""
    ran = subprocess.run([sys.executable, "-c", _HARDENED], check=True, capture_output=True, text=True)
    assert ran.stdout.split() == ["0", "0", "0"]


def _crash(folder: Path, how: str) -> None:
    ran = subprocess.run([sys.executable, "-c", _CRASH, how], cwd=folder, check=False, capture_output=True)
    assert ran.returncode == -signal.SIGABRT, ran.stderr


@pytest.mark.usefixtures("cores_here")
def test_a_process_that_is_not_hardened_shows_its_secret(tmp_path: Path) -> None:
    """So that the next tests could fail: here core files are written, and the checker finds what is in them."""
    _crash(tmp_path, "plain")
    assert core_files(tmp_path)
    assert find_secrets(tmp_path, {"a seed": _SECRET})


@pytest.mark.usefixtures("cores_here")
def test_a_hardened_process_leaves_no_core_file(tmp_path: Path) -> None:
    _crash(tmp_path, "hardened")
    assert core_files(tmp_path) == []


@long_only
@pytest.mark.usefixtures("cores_here")
def test_crashes_under_load_show_no_secret(tmp_path: Path) -> None:
    with running_service(tmp_path / "home") as service:
        with service.client() as client:
            for number in range(3):
                client.keys.create(f"key-{number}")
                assert client.signing.sign(f"key-{number}", b"x").signature
            _crash_every_signer(service)
            _until_it_signs(service)
        assert core_files(service.home) == []
        server = service.process
        assert server is not None
        server.send_signal(signal.SIGABRT)
        assert server.wait(60) == -signal.SIGABRT
        secrets = secrets_of(service.home)
        assert len(secrets) > 5
        assert core_files(service.home) == []
        assert find_secrets(service.home, secrets) == []


def _crash_every_signer(service: RunningService) -> None:
    pids = signer_pids(service)
    assert pids
    for pid in pids:
        limits = (Path("/proc") / str(pid) / "limits").read_text().splitlines()
        assert next(line for line in limits if line.startswith("Max core file size")).split()[4] == "0"
        os.kill(pid, signal.SIGSEGV)


def _until_it_signs(service: RunningService) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            with service.client(timeout_seconds=5) as client:
                assert client.signing.sign("key-0", b"again").signature
            return
        except HallmarkError:
            assert time.monotonic() < deadline, "it did not come back"
            time.sleep(0.2)
