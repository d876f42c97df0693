"""`hallmark hsm rewrap` killed at moments spread over its whole run: the next run finishes it, and every key works."""

import json
import subprocess
import sys
import time
from pathlib import Path

from support.fault_runs import LONG
from support.secrets_on_disk import find_secrets, secrets_of
from support.service import RunningService, running_service

KEYS = 8 if LONG else 4
MOMENTS = (0.25, 0.5, 0.65, 0.8, 0.9) if LONG else (0.5, 0.8)


def _rewrap(service: RunningService, *, kill_after: float | None = None) -> dict | None:
    """The report; None when it was killed before it had one."""
    command = [sys.executable, "-m", "kms.cli.main", "hsm", "rewrap", "--home", str(service.home), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        out, err = process.communicate(timeout=60 if kill_after is None else kill_after)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return None
    assert process.returncode == 0, err
    return json.loads(out)


def test_a_killed_rewrap_is_finished_and_loses_no_key(tmp_path: Path, record_property) -> None:
    with running_service(tmp_path / "home") as service:
        with service.client() as client:
            for number in range(KEYS):
                client.keys.create(f"key-{number}")
        service.stop()
        began = time.monotonic()
        assert _rewrap(service)["moved"] > KEYS
        whole = time.monotonic() - began
        killed = sum(_rewrap(service, kill_after=whole * moment) is None for moment in MOMENTS)
        report = _rewrap(service)
        assert (report["failed"], report["kept"]) == ({}, [])
        assert len(report["destroyed"]) == 1
        assert find_secrets(service.home, secrets_of(service.home)) == []
        service.start()
        with service.client() as client:
            for number in range(KEYS):
                signature = client.signing.sign(f"key-{number}", b"x")
                assert client.signing.verify(f"key-{number}", signature.signature, b"x")
            assert client.signing.sign("key-0", b"published", wait="published").log.tlog_proof
    record_property(
        "fault summary", f"{killed} of {len(MOMENTS)} rewraps killed, each finished by the next, no key lost"
    )
    assert killed
