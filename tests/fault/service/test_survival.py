"""What the whole service survives: kill -9, a token that goes away and comes back, a PIN that is wrong."""

import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hallmark_client import HallmarkError, Unavailable
from hallmark_tlog.audit import audit
from hallmark_tlog.fetch import folder_fetcher
from hallmark_tlog.vkey import parse_vkey
from support.fault_runs import long_only
from support.service import RunningService, running_service


def _vkeys(service: RunningService):
    return [parse_vkey(line) for line in (service.home / "public" / "verifier-keys").read_text().splitlines()]


def _audit(service: RunningService, previous=None):
    vkeys = _vkeys(service)
    return audit(folder_fetcher(service.home / "public"), vkeys, origin=vkeys[0].name, previous=previous)


def _wait_for(condition, seconds: float = 30):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if (result := condition()) is not None:
                return result
        except HallmarkError:
            pass
        time.sleep(0.1)
    raise AssertionError("it did not come back in time")


@long_only
def test_kill_9_under_load_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    with running_service(tmp_path / "home") as service:
        with service.client() as client:
            client.keys.create("manifest", wait="published")
        answered: list[tuple[bytes, bytes]] = []
        stop = threading.Event()

        def sign_for_ever(number: int) -> None:
            with service.client("backend", timeout_seconds=2) as client:
                count = 0
                while not stop.is_set():
                    message = f"{number}-{count}".encode()
                    count += 1
                    try:
                        signature = client.signing.sign("manifest", message)
                    except HallmarkError:
                        return
                    answered.append((message, signature.log.leaf_hash))

        threads = [threading.Thread(target=sign_for_ever, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        _wait_for(lambda: len(answered) > 40 or None)
        before = _audit(service).checkpoint
        service.kill()
        stop.set()
        for thread in threads:
            thread.join(30)
        service.start()
        with service.client() as client:
            assert client.keys.get("manifest").primary_version
            last = client.signing.sign("manifest", b"after", wait="published")
        report = _audit(service, previous=before)
        assert report.consistent_from is not None
        leaves = _leaf_hashes(service, report.checkpoint.size)
        assert last.log.leaf_hash in leaves
        missing = [message for message, leaf in answered if leaf not in leaves]
        assert not missing


def _leaf_hashes(service: RunningService, size: int) -> set[bytes]:
    from hallmark_tlog.merkle import leaf_hash
    from hallmark_tlog.reader import entries

    return {leaf_hash(entry) for entry in entries(folder_fetcher(service.home / "public"), size)}


@long_only
def test_a_retry_across_a_crash_gets_the_first_signature_again(tmp_path: Path) -> None:
    request_id = "7d0f9c2e-30c4-4b1e-8f53-0b2d1c9a6f11"
    with running_service(tmp_path / "home") as service:
        with service.client() as client:
            client.keys.create("manifest")
            first = client.signing.sign("manifest", b"x", request_id=request_id)
        service.kill()
        service.start()
        with service.client() as client:
            again = client.signing.sign("manifest", b"x", request_id=request_id)
    assert (again.signature, again.replayed) == (first.signature, True)


@pytest.mark.parametrize("folder", [pytest.param("hsm/tokens", marks=long_only), "hsm"])
def test_a_token_that_goes_away_is_a_typed_error_and_heals(tmp_path: Path, folder: str) -> None:
    """With the whole folder the PIN's file goes, too: no PIN was refused, so it is read again when it is back."""
    with running_service(tmp_path / "home") as service, service.client(timeout_seconds=5) as client:
        client.keys.create("manifest")
        here, away = service.home / folder, service.home / "away"
        here.rename(away)
        for pid in _signer_pids(service):
            subprocess.run(["kill", "-9", str(pid)], check=True)
        for _ in range(4):  # over several attempts to start a signer
            with pytest.raises(Unavailable) as refused:
                client.signing.sign("manifest", b"x")
            assert refused.value.reason == "HSM_UNAVAILABLE"
            assert str(service.home) not in str(refused.value), "where the PIN is kept is nobody's business"
            time.sleep(0.5)
        assert client.keys.get("manifest").name, "what needs no HSM still works"
        away.rename(here)
        signature = _wait_for(lambda: client.signing.sign("manifest", b"x"))
        assert client.signing.verify("manifest", signature.signature, b"x")


def _signer_pids(service: RunningService) -> list[int]:
    assert service.process is not None
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if parent == service.process.pid and b"hsm.pkcs11.worker" in command:
                found.append(int(entry.name))
    assert found, "the signer processes are children of the service"
    return found


def test_a_wrong_pin_is_tried_once_said_clearly_and_the_server_stays_up(tmp_path: Path) -> None:
    with running_service(tmp_path / "home") as service:
        with service.client() as client:
            client.keys.create("manifest")
        service.stop()
        pin_file = service.home / "hsm" / "token-pin"
        right = pin_file.read_text()
        pin_file.write_text("not the pin")
        service.start()
        with service.client(timeout_seconds=3) as client:
            with pytest.raises(Unavailable) as refused:
                client.signing.sign("manifest", b"x")
            assert refused.value.reason == "HSM_UNAVAILABLE"
            assert "PIN" in str(refused.value)
            assert client.keys.get("manifest").name
        assert "not the pin" not in service.log
        service.stop()
        pin_file.write_text(right)
        service.start()
        with service.client() as client:
            assert client.signing.sign("manifest", b"x").signature, "the PIN counter was not used up"


def test_a_database_older_than_the_published_log_refuses_to_start(tmp_path: Path) -> None:
    with running_service(tmp_path / "home") as service:
        with service.client() as client:
            client.keys.create("one", wait="published")
        service.stop()
        shutil.copy(service.home / "hallmark.db", tmp_path / "backup.db")
        service.start()
        with service.client() as client:
            client.keys.create("two", wait="published")
        service.stop()
        for leftover in service.home.glob("hallmark.db-*"):
            leftover.unlink()
        shutil.copy(tmp_path / "backup.db", service.home / "hallmark.db")
        with pytest.raises(RuntimeError, match=r"size \d+ was published, the database holds only \d+"):
            service.start()


def test_two_servers_do_not_share_a_home(tmp_path: Path) -> None:
    with running_service(tmp_path / "home") as service:
        command = [sys.executable, "-m", "kms.cli.main", "serve", "--home", str(service.home), "--port", "0"]
        second = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert second.returncode != 0
        assert "another server is running" in second.stderr
        assert "Traceback" not in second.stderr


def test_a_drain_says_goodbye_and_exits_well(tmp_path: Path) -> None:
    with running_service(tmp_path / "home") as service:
        seen: list[str] = []

        def watch() -> None:
            with service.client("auditor") as client:
                for frame in client.revocations.watch():
                    seen.append(type(frame).__name__)
                    if seen[-1] == "Goodbye":
                        return

        watcher = threading.Thread(target=watch)
        watcher.start()
        _wait_for(lambda: seen or None)
        assert service.stop() == 0
        watcher.join(10)
        assert seen[-1] == "Goodbye"
        assert not (service.home / "server.json").exists()
