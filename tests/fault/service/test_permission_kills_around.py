"""What is around the service goes away while permission is taken back: the disk of public files, the HSM, the database.

In each case callers get a clear error or their answer, nothing is half done, and the same call again ends it well.
"""

import hashlib
import os
import signal
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from hallmark_client import Client, ConsentState, DeadlineExceeded, Unavailable
from support.log_kill_disk import small_disk
from support.permission_phone import STORE
from support.permission_phones import LivePhone, Trust
from support.permission_status import StatusReader
from support.service import RunningService, running_service
from support.signer_processes import signer_pids

SETTINGS = "[events]\nsnapshot_interval_seconds = 1\n[removal]\ncheck_interval_seconds = 0.5\n"
SECONDS = 30


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """One service for the tests of this file, healthy between them."""
    with running_service(tmp_path_factory.mktemp("around") / "home", settings=SETTINGS) as service:
        yield service


@pytest.fixture
def consent(home: RunningService, tmp_path: Path) -> str:
    """One that a phone has a lease for."""
    phone = LivePhone.enrol(home, tmp_path / "phone", Trust.of(home))
    with home.client("backend") as backend:
        name = _granted(backend, phone.name)
        assert [lease.live for lease in backend.consents.leases(consent=name)] == [True]
    return name


def _granted(backend: Client, *devices: str) -> str:
    change = backend.consents.grant(
        str(uuid.uuid4()),
        controller="https://bank.example",
        purposes=["dpv:FraudPreventionAndDetection"],
        artifacts=[_digest()],
        devices=devices,
    )
    return change.consent.name


def _digest() -> str:
    return hashlib.sha256(uuid.uuid4().bytes).hexdigest()


def _assert_untouched(client: Client, consent: str) -> None:
    assert client.consents.get(consent).state is ConsentState.GIVEN
    assert [lease.live for lease in client.consents.leases(consent=consent)] == [True]
    assert list(client.removals.list(consent=consent)) == []


def _assert_withdrawn_once(client: Client, consent: str, removals: tuple[str, ...]) -> None:
    assert len(removals) == 1
    found = client.consents.get(consent)
    assert (found.state, found.revision) == (ConsentState.WITHDRAWN, 2)
    assert [lease.live for lease in client.consents.leases(consent=consent)] == [False]
    assert tuple(each.name for each in client.removals.list(consent=consent)) == removals


def _withdrawn_in_the_end(client: Client, consent: str, request_id: str) -> tuple[str, ...]:
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            return tuple(client.consents.withdraw(consent, request_id=request_id).removals)
        except (Unavailable, DeadlineExceeded):
            assert time.monotonic() < deadline
            time.sleep(0.2)


def test_an_hsm_that_goes_away_during_a_withdrawal(home: RunningService, consent: str) -> None:
    here, away, request_id = home.home / "hsm", home.home / "hsm-away", str(uuid.uuid4())
    with home.client("backend", timeout_seconds=8) as client:
        here.rename(away)
        try:
            for pid in signer_pids(home):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with pytest.raises(Unavailable) as refused:
                client.consents.withdraw(consent, request_id=request_id)
            assert refused.value.reason == "HSM_UNAVAILABLE"
            assert str(home.home) not in str(refused.value)
            _assert_untouched(client, consent)
        finally:
            away.rename(here)
        removals = _withdrawn_in_the_end(client, consent, request_id)
        _assert_withdrawn_once(client, consent, removals)
        assert client.consents.withdraw(consent, request_id=request_id).replayed


def test_a_database_that_somebody_has_locked(home: RunningService, consent: str) -> None:
    request_id = str(uuid.uuid4())
    with home.client("backend", timeout_seconds=1.5) as client:
        with _locked(home.home / "hallmark.db"):
            with pytest.raises((Unavailable, DeadlineExceeded)):
                client.consents.withdraw(consent, request_id=request_id)
            _assert_untouched(client, consent)
        removals = _withdrawn_in_the_end(client, consent, request_id)
        _assert_withdrawn_once(client, consent, removals)


@contextmanager
def _locked(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database, isolation_level=None, timeout=SECONDS)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
    finally:
        connection.rollback()
        connection.close()


def test_status_files_that_can_not_be_written(home: RunningService) -> None:
    """Something else lies where their folder should be. The log's own files go on."""
    trust, status = Trust.of(home), home.home / "public" / "status"
    with home.client() as admin:
        admin.artifacts.suspend(_digest())
    reader = StatusReader(home.home / "public", trust)
    number = _look_until(reader, 1)
    away = home.home / "status-away"
    status.rename(away)
    status.write_text("not a folder")
    with home.client() as admin:
        artifact = _digest()
        assert admin.artifacts.suspend(artifact, wait="published").log.tlog_proof, "what needs no status files goes on"
        _until_logged(home, "is not published yet")
        status.unlink()
        away.rename(status)
        _look_until(reader, number + 1)
        _look_until_it_tells_of(reader, artifact)


def test_a_disk_of_public_files_that_is_full_or_read_only(tmp_path: Path) -> None:
    """Withdrawals are answered and heard all the same; what has to be published is published when there is room."""
    with small_disk(tmp_path / "disk") as disk:
        environment = {"HALLMARK__LOG__PUBLIC_FOLDER": str(disk.folder / "public")}
        with running_service(tmp_path / "home", settings=SETTINGS, environment=environment) as service:
            trust, reader = _Ready(service, disk.folder / "public").both
            phone = LivePhone.enrol(service, tmp_path / "phone", trust)
            number = _look_until(reader, 1)
            for begin, end in (
                (disk.fill, disk.make_room),
                (lambda: disk.set_read_only(yes=True), lambda: disk.set_read_only(yes=False)),
            ):
                with service.client("backend") as backend:
                    consent = _granted(backend, phone.name)
                    begin()
                    removals = tuple(backend.consents.withdraw(consent).removals)
                    _assert_withdrawn_once(backend, consent, removals)
                    other = _granted(backend, phone.name)
                    assert backend.consents.get(other).state is ConsentState.GIVEN
                    time.sleep(1.5)
                    assert not reader.look(), "nothing is published that can not be stored"
                    end()
                number = _look_until(reader, number + 1)
            with service.client() as admin:
                assert admin.artifacts.suspend(_digest(), wait="published").log.tlog_proof
            assert service.stop() == 0


class _Ready:
    """Trust in a service whose public files lie elsewhere, and their reader; something is published."""

    def __init__(self, service: RunningService, public: Path) -> None:
        with service.client() as admin:
            admin.artifacts.suspend(_digest())
            pem = admin.keys.public_key("tenants/system/keys/revocation-events").pem
        trust = Trust(pem, (public / "verifier-keys").read_text())
        self.both = trust, StatusReader(public, trust)


def test_a_phone_that_forgets_a_withdrawal_is_found_out(home: RunningService, tmp_path: Path) -> None:
    """So that the checks of the random kills could fail: its store is exchanged for one from before."""
    phone = LivePhone.enrol(home, tmp_path / "phone", Trust.of(home))
    with home.client("backend") as backend:
        consent = _granted(backend, phone.name)
        phone.start()
        _until(lambda: consent in phone.memory.allowed, phone)
        phone.kill()
        phone.uses([consent])  # closing it puts all of it into the one file
        before = (phone.folder / STORE).read_bytes()
        phone.start()
        backend.consents.withdraw(consent)
        _until(lambda: consent in phone.memory.gone, phone)
    phone.kill()
    assert phone.found == []
    for path in phone.folder.glob(f"{STORE}*"):
        path.unlink()
    (phone.folder / STORE).write_bytes(before)
    assert consent in {use.subject for use in phone.re_permitted()}


def _until(condition: Callable[[], bool], phone: LivePhone) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, phone.output
        time.sleep(0.1)


def _look_until(reader: StatusReader, number: int) -> int:
    """The newest number, that or later; each step verifies."""
    deadline = time.monotonic() + SECONDS
    while not reader.numbers or reader.numbers[-1] < number:
        assert time.monotonic() < deadline, f"nothing was published: {reader.numbers}"
        with suppress(FileNotFoundError):
            reader.look()
        time.sleep(0.1)
    return reader.numbers[-1]


def _look_until_it_tells_of(reader: StatusReader, artifact: str) -> None:
    """What was published last may be from before it was suspended."""
    deadline = time.monotonic() + SECONDS
    while f"tenants/default/artifacts/{artifact}" not in reader.snapshot.state.mirror:
        assert time.monotonic() < deadline, f"the files tell of {sorted(reader.snapshot.state.mirror)}"
        with suppress(FileNotFoundError):
            reader.look()
        time.sleep(0.1)


def _until_logged(service: RunningService, text: str) -> None:
    deadline = time.monotonic() + SECONDS
    while text not in service.log:
        assert time.monotonic() < deadline, service.log[-3000:]
        time.sleep(0.1)
