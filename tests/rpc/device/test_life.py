"""A device from its first boot to a proved deletion, against the real service."""

import shutil
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from hallmark_client import Client, HallmarkError
from hallmark_client.device.errors import ArtifactSuspended, ArtifactUnknown, RolledBack
from hallmark_client.device.life import Device, EnrolmentRefused, KeyPlace, NotEnrolled, Step
from hallmark_client.device.model import ArtifactState
from hallmark_client.device.vault import Vault
from hallmark_client.model.consents import ArtifactKind
from hallmark_client.watch import Status
from rpc.device.world import APP, PhoneAttester, Place, SealedPhone, grant, put, until
from rpc.wire import fresh_name
from support.service import RunningService


@pytest.fixture
def backend(service: RunningService) -> Iterator[Client]:
    with service.client("backend") as client:
        yield client


@pytest.fixture
def place(service: RunningService, tmp_path: Path) -> Place:
    return Place(service, tmp_path / "vault")


def is_usable(device: Device, name: str = "voice") -> bool:
    try:
        device.vault.read(name, caller=APP)
    except (ArtifactSuspended, ArtifactUnknown):
        return False
    return True


def why(device: Device, name: str = "voice") -> str:
    with pytest.raises(ArtifactSuspended) as refused:
        device.vault.read(name, caller=APP)
    return refused.value.metadata["why"]


def stored(device: Device) -> None:
    """What is usable now is on disk: a grant is written at the next bookmark, and a heartbeat comes after it."""

    def fresh_at():
        return device.status().watch.fresh_at

    before = until(fresh_at, device.status)
    until(lambda: fresh_at() > before, device.status)


def test_first_boot_gives_a_device_with_a_certificate_of_its_own(service, backend, place) -> None:
    with place.enrol() as device:
        known = backend.devices.get(device.name)
        registration = device.facts()
        assert (registration.device, registration.key_place) == (known.name, KeyPlace.VAULT)
        assert known.hpke_key is not None
        assert device.status().trouble == {}
        first = device.name
    with place.enrol() as again:
        assert again.name == first, "the same keys: nothing is made twice"
    with place.open() as opened:
        assert opened.name == first
        assert not opened.status().is_running


def test_from_consent_to_a_proved_deletion(service, backend, place, tmp_path) -> None:
    with place.enrol() as device:
        digest = put(device)
        assert why(device) == "not granted"
        device.start()
        consent = grant(backend, device, digest)
        until(lambda: is_usable(device), device.status)
        assert device.vault.read("voice", caller=APP) == b"a template of a voice"
        shutil.copytree(place.folder, tmp_path / "copy")
        (asked,) = backend.consents.withdraw(consent).removals
        until(lambda: not is_usable(device), device.status)
        until(lambda: backend.removals.get(asked).grade, device.status)
        removal = backend.removals.get(asked)
        assert (str(removal.state), str(removal.grade)) == ("DELETED", "A1")
        assert device.vault.artifacts() == ()
        assert not [path for path in (place.folder / "blobs").rglob("*") if path.is_file()]
        until(lambda: not device.status().receipts_owed, device.status)
        (work,) = device._ground.store.works()
        assert (work.step, work.grade) == (Step.ANSWERED, "A1")
        report = backend.removals.report()
        assert report.grades["A1"] >= 1
    with pytest.raises(RolledBack), Vault.open(tmp_path / "copy", place.root):
        pass


def test_its_status_says_how_it_is(service, backend, place) -> None:
    with place.enrol() as device:
        assert device.status().watch is None
        device.start()
        until(lambda: device.status().watch.status is Status.VALID, device.status)
        status = device.status()
        assert (status.is_running, status.blocked, status.receipts_owed) == (True, "", 0)
        status.to_dict()


def test_offline_a_lease_ends_by_itself_and_no_clock_brings_it_back(service, backend, place) -> None:
    with place.enrol() as device:
        digest = put(device)
        device.start()
        grant(backend, device, digest)
        until(lambda: is_usable(device), device.status)
        stored(device)
    place.restart()
    with place.open() as offline:
        assert is_usable(offline), "at once, from what is stored"
        place.clock.ahead += timedelta(hours=2)  # a biometric template may be silent for one
        assert why(offline) == "silent"
        place.clock.rtc = timedelta(days=-30)
        assert why(offline) == "silent"
        offline.work()
    place.restart()
    place.clock.reboot()
    with place.open() as rebooted:
        assert why(rebooted) == "silent", "two hours are known to have passed, whatever the clock says now"
        assert rebooted.vault.artifacts(), "silence suspends; nothing is destroyed"


def test_after_a_reboot_a_clock_that_was_set_back_allows_nothing(service, backend, place) -> None:
    with place.enrol() as device:
        digest = put(device)
        device.start()
        grant(backend, device, digest)
        until(lambda: is_usable(device), device.status)
        stored(device)
    place.clock.reboot()
    place.clock.rtc = timedelta(minutes=-10)
    with place.open() as rebooted:
        assert why(rebooted) == "clock unknown"
        place.clock.rtc = timedelta(minutes=10)
        assert is_usable(rebooted), "ten minutes later, by all that is known"
        place.clock.rtc = timedelta(minutes=70)
        assert why(rebooted) == "silent"
        place.clock.rtc = timedelta()


def test_a_suspension_by_the_service_holds_in_the_vault_and_ends_with_it(service, backend, place) -> None:
    with place.enrol() as device, service.client() as admin:
        digest = put(device)
        device.start()
        grant(backend, device, digest)
        until(lambda: is_usable(device), device.status)
        admin.artifacts.suspend(digest)
        until(lambda: device.vault.find("voice").state is ArtifactState.SUSPENDED, device.status)
        assert not is_usable(device)
        assert device.status().suspended == 1
        device.vault.put([b"own"], name="own", kind=ArtifactKind.OTHER)
        device.vault.suspend("own")
    admin_resumes = service.client()
    with admin_resumes, place.open() as again:
        assert not is_usable(again)
        admin_resumes.artifacts.resume(digest)
        again.start()
        until(lambda: is_usable(again), again.status)
        assert again.vault.find("own").state is ArtifactState.SUSPENDED, "its owner did that, not the service"


def test_a_device_that_lost_its_memory_of_the_feeds_is_healed_both_ways(service, backend, place) -> None:
    with place.enrol() as device:
        kept, gone = put(device), put(device, b"another voice", name="gone")
        device.start()
        grant(backend, device, kept)
        consent = grant(backend, device, gone)
        until(lambda: is_usable(device) and is_usable(device, "gone"), device.status)
    for file in place.folder.glob("watch.db*"):
        file.unlink()
    (removal,) = backend.consents.withdraw(consent).removals
    with place.open() as again:
        assert why(again) == "not granted", "nothing is known, so nothing is allowed"
        again.start()
        until(lambda: is_usable(again), again.status)
        until(lambda: backend.removals.get(removal).grade, again.status)
        assert [found.name for found in again.vault.artifacts()] == ["voice"]


def test_older_epochs_of_a_model_are_deleted(service, backend, place) -> None:
    model = f"tenants/default/models/{fresh_name('model')}"
    with place.enrol() as device, service.client() as admin:
        for epoch in (1, 2):
            labels = {"model": model}
            device.vault.put(
                [b"%d" % epoch], name="chat", version=epoch, kind=ArtifactKind.MODEL_WEIGHTS, labels=labels
            )
        device.start()
        admin.artifacts.set_minimum_version(model.rpartition("/")[2], 2)
        until(lambda: [found.version for found in device.vault.artifacts()] == [2], device.status)


def test_a_revoked_device_may_use_nothing(service, place) -> None:
    with place.enrol(files_url=str(service.facts["public_url"])) as device, service.client() as admin:
        device.vault.put([b"own"], name="own", kind=ArtifactKind.OTHER)
        device.start()
        until(lambda: device.status().watch.is_ready, device.status)
        assert is_usable(device, "own")
        admin.revocations.revoke(device.name, "DEVICE_LOST")
        until(lambda: device.status().blocked, device.status)
        assert why(device, "own") == device.status().blocked == "DEVICE_REVOKED"
        with pytest.raises(HallmarkError):
            device.renew()


def test_a_device_that_was_off_when_it_was_revoked_hears_it_when_it_is_refused(service, place) -> None:
    with place.enrol() as device, service.client() as admin:
        device.vault.put([b"own"], name="own", kind=ArtifactKind.OTHER)
        device.start()
        until(lambda: device.status().watch.is_ready, device.status)
        name = device.name
        device.close()
        admin.revocations.revoke(name, "DEVICE_LOST")
    place.restart()
    with place.open() as off:
        assert is_usable(off, "own")
        off.start()
        until(lambda: off.status().blocked, off.status)
    place.restart()
    with place.open() as again:
        assert why(again, "own") == "DEVICE_REVOKED", "without a network too"


def test_the_certificate_is_renewed_in_time(service, backend, place) -> None:
    with place.enrol() as device:
        before = device._link.registration.certificate
        place.clock.ahead += timedelta(hours=3)
        device.work()
        assert device._link.registration.certificate == before, "three hours of eight"
        place.clock.ahead += timedelta(hours=3)
        device.work()
        renewed = device._link.registration.certificate
        assert renewed != before
        device.work()
        assert device._link.registration.certificate == renewed, "once, though this clock is six hours ahead"
        assert device.client.capabilities().log.verifier_keys
        device.renew()
        name = device.name
    with place.open() as again:
        assert (again.name, again.status().trouble) == (name, {})


def test_a_key_that_only_signs_never_leaves_its_place(service, backend, place) -> None:
    place.attester = SealedPhone(service.phone)
    with place.enrol() as device:
        assert device.facts().key_place is KeyPlace.ATTESTER
        digest = put(device)
        device.start()
        consent = grant(backend, device, digest)
        until(lambda: is_usable(device), device.status)
        (asked,) = backend.consents.withdraw(consent).removals
        until(lambda: str(backend.removals.get(asked).grade) == "A1", device.status)
    with pytest.raises(NotEnrolled, match="attester"):
        Device.open(place.folder, root=place.root)
    place.attester = SealedPhone(service.phone)
    with pytest.raises(NotEnrolled, match="not the one"):
        place.open()


def test_who_is_not_believed_is_no_device(service, tmp_path) -> None:
    unlocked = Place(service, tmp_path / "unlocked", attester=PhoneAttester(service.phone.changed(locked=False)))
    with pytest.raises(EnrolmentRefused) as refused:
        unlocked.enrol()
    assert refused.value.reasons == ("UNLOCKED_BOOTLOADER",)
    with pytest.raises(NotEnrolled):
        unlocked.open()


def test_whoever_edits_its_files_does_not_change_whom_it_asks(place) -> None:
    with place.enrol() as device:
        name, address = device.name, device._link.registration.address
    database = sqlite3.connect(place.folder / "life.db")
    with database:
        edit = "UPDATE fact SET value = replace(value, ?, ?) WHERE name = 'registration'"
        assert database.execute(edit, (address, "attacker.example:443")).rowcount == 1
        assert database.execute("SELECT value FROM fact WHERE value LIKE '%attacker%'").fetchone()
    database.close()
    with place.open() as opened:
        assert (opened.name, opened._link.registration.address) == (name, address)
        opened.renew()
