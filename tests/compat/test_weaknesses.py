"""What was shown to be weak in pqc-enclave-sdk 0.1.0, one test for each: here it holds."""

import io
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hallmark_client.compat.pqc_enclave_sdk import (
    AccessPolicy,
    ArtifactKind,
    ArtifactPolicy,
    AttestationError,
    BackendError,
    DecryptionError,
    DeviceAttestation,
    DeviceAttester,
    DeviceBackend,
    EnclaveAuditLog,
    EnclaveLockedError,
    EnclaveSDKError,
    EnclaveVault,
    InMemoryEnclaveBackend,
    PolicyViolationError,
    UnknownArtifactError,
    establish_enclave_session,
)
from hallmark_client.device.audit import AuditAct
from hallmark_client.device.roots.memory import MemoryRoot
from support.fault_runs import long_only
from unit.hallmark_client.compat.identities import new_identity

MIB = 1024 * 1024
MEMORY_MIB_MAX = 16
OTHER = ArtifactKind.OTHER


@pytest.fixture
def backend(tmp_path: Path) -> DeviceBackend:
    return DeviceBackend(tmp_path / "vault", MemoryRoot())


@pytest.fixture
def vault(backend: DeviceBackend) -> EnclaveVault:
    vault = EnclaveVault(backend)
    vault.unlock()
    yield vault
    vault.lock()


def test_unlock_opens_what_was_stored_before(vault: EnclaveVault) -> None:
    vault.put_artifact("a", OTHER, b"content")
    vault.lock()
    vault.unlock()
    assert vault.get_artifact("a").content == b"content"


def test_nothing_is_lost_without_save(vault: EnclaveVault, backend: DeviceBackend) -> None:
    vault.put_artifact("a", OTHER, b"content")
    vault.unlock()
    other = EnclaveVault(backend)
    other.unlock()
    assert other.get_artifact("a").content == b"content"
    other.lock()


def test_nothing_is_lost_after_the_time_of_an_unlock(backend: DeviceBackend) -> None:
    seconds = [0.0]
    vault = EnclaveVault(backend, monotonic=lambda: seconds[0])
    vault.unlock(ttl_seconds=60)
    vault.put_artifact("a", OTHER, b"content")
    seconds[0] = 60.0
    assert not vault.is_unlocked
    with pytest.raises(EnclaveLockedError):
        vault.get_artifact("a")
    vault.unlock()
    assert vault.get_artifact("a").content == b"content"
    vault.lock()


def test_it_survives_a_restart(tmp_path: Path) -> None:
    root = MemoryRoot()
    with EnclaveVault(DeviceBackend(tmp_path, root)) as vault:
        vault.put_artifact("a", OTHER, b"content")
    with EnclaveVault(DeviceBackend(tmp_path, MemoryRoot(root.state))) as vault:
        assert vault.get_artifact("a").content == b"content"


def test_an_old_store_put_back_is_refused(tmp_path: Path) -> None:
    backend = DeviceBackend(tmp_path / "vault", MemoryRoot())
    with EnclaveVault(backend) as vault:
        vault.put_artifact("a", OTHER, b"content")
    shutil.copytree(tmp_path / "vault", tmp_path / "copy")
    with EnclaveVault(backend) as vault:
        vault.delete_artifact("a")
    shutil.rmtree(tmp_path / "vault")
    shutil.copytree(tmp_path / "copy", tmp_path / "vault")
    with pytest.raises(BackendError, match="older"):
        EnclaveVault(backend).unlock()


@pytest.mark.parametrize("by", ["name", "newest", "oldest"])
def test_deleting_deletes_all_versions(vault: EnclaveVault, by: str) -> None:
    oldest = vault.put_artifact("a", OTHER, b"one").metadata.artifact_id
    newest = vault.put_artifact("a", OTHER, b"two").metadata.artifact_id
    assert vault.get_artifact("a").content == b"two"
    assert vault.get_artifact(oldest).content == b"one"
    vault.delete_artifact({"name": "a", "newest": newest, "oldest": oldest}[by])
    assert vault.list_artifacts() == []
    for each in ("a", oldest, newest):
        with pytest.raises(UnknownArtifactError):
            vault.get_artifact(each)


def test_deleting_is_durable_without_save(vault: EnclaveVault) -> None:
    vault.put_artifact("a", OTHER, b"content")
    vault.delete_artifact("a")
    vault.lock()
    vault.unlock()
    with pytest.raises(UnknownArtifactError):
        vault.get_artifact("a")


def test_the_policy_is_asked_and_denials_are_on_disk(backend: DeviceBackend) -> None:
    policy = AccessPolicy().add(ArtifactPolicy(ArtifactKind.CREDENTIAL, frozenset({"com.good"})))
    with EnclaveVault(backend, policy=policy) as vault:
        vault.put_artifact("key", ArtifactKind.CREDENTIAL, b"secret")
        vault.put_artifact("open", OTHER, b"open")
        assert vault.get_artifact("key", caller_bundle_id="com.good").content == b"secret"
        assert vault.get_artifact("open", caller_bundle_id="com.bad").content == b"open"
        for caller in ("com.bad", "", "pqc-enclave-sdk", None):
            with pytest.raises(PolicyViolationError):
                vault.get_artifact("key", caller_bundle_id=caller)
        assert len(vault.audit.entries(operation="policy_violation")) == 4
    with EnclaveVault(backend, policy=policy) as vault:  # the last was as the one before: counted, and written by now
        denied = [each.record for each in vault.device_vault.audit.entries() if each.record.act is AuditAct.DENIED]
        assert denied[0].caller == "com.bad"
        assert len(denied) == 4


def test_the_policy_stays_with_the_vault(backend: DeviceBackend) -> None:
    policy = AccessPolicy().add(ArtifactPolicy(ArtifactKind.CREDENTIAL, frozenset({"com.good"})))
    with EnclaveVault(backend, policy=policy) as vault:
        vault.put_artifact("key", ArtifactKind.CREDENTIAL, b"secret")
    with EnclaveVault(backend, caller_bundle_id="com.bad") as vault, pytest.raises(PolicyViolationError):
        vault.get_artifact("key")
    with EnclaveVault(backend, caller_bundle_id="com.good") as vault:
        assert vault.get_artifact("key").content == b"secret"


def test_uses_in_an_hour_are_counted(backend: DeviceBackend) -> None:
    policy = AccessPolicy().add(ArtifactPolicy(OTHER, frozenset(), max_uses_per_hour=2))
    with EnclaveVault(backend, policy=policy) as vault:
        vault.put_artifact("a", OTHER, b"content")
        vault.get_artifact("a")
    with EnclaveVault(backend, policy=policy) as vault:
        vault.get_artifact("a")
        with pytest.raises(PolicyViolationError, match="at most 2 uses"):
            vault.get_artifact("a")


def test_biometry_that_nobody_proves_is_refused(backend: DeviceBackend) -> None:
    policy = AccessPolicy().add(ArtifactPolicy(OTHER, frozenset(), require_biometric=True))
    with EnclaveVault(backend, policy=policy) as vault:
        vault.put_artifact("a", OTHER, b"content")
        with pytest.raises(PolicyViolationError, match="user present"):
            vault.get_artifact("a")


@pytest.fixture
def attester() -> DeviceAttester:
    return DeviceAttester(new_identity(), "device", "model", "in-memory")


def test_an_attestation_needs_an_anchor(attester: DeviceAttester) -> None:
    made = attester.attest("id", "hash", nonce="n1")
    trusted = {attester.identity.did: attester.public_key}
    DeviceAttester.verify_or_raise(made, trusted=trusted, nonce="n1")
    with pytest.raises(AttestationError, match="is not trusted"):
        DeviceAttester.verify_or_raise(made, trusted={"did:other": attester.public_key}, nonce="n1")


def test_an_attestation_of_another_process_is_not_believed_for_its_own_key() -> None:
    attester = DeviceAttester(new_identity(), "device", "model", "in-memory")
    forged = attester.attest("id", "hash")
    assert DeviceAttester.verify(forged)
    del attester
    assert not DeviceAttester.verify(forged)


def test_an_attestation_needs_a_nonce(attester: DeviceAttester) -> None:
    made = attester.attest("id", "hash", nonce="n1")
    trusted = {attester.identity.did: attester.public_key}
    with pytest.raises(AttestationError, match="another question"):
        DeviceAttester.verify_or_raise(made, trusted=trusted, nonce="n2")
    with pytest.raises(AttestationError, match="without a nonce"):
        DeviceAttester.verify_or_raise(made, trusted=trusted)


def test_an_attestation_ends(attester: DeviceAttester) -> None:
    made = attester.attest("id", "hash")
    for days in (-1, 1):
        assert not DeviceAttester.verify(made, now=datetime.now(UTC) + timedelta(days=days))


@pytest.mark.parametrize(
    "changed",
    [name for name in DeviceAttestation.__dataclass_fields__ if name != "public_key"],
)
def test_no_field_of_an_attestation_can_be_changed(attester: DeviceAttester, changed: str) -> None:
    """The DID and the algorithm could."""
    made = attester.attest("id", "hash", nonce="n1")
    other = {"algorithm": "ML-DSA-87", "signature": made.signature[:-2] + "00"}.get(changed, "other")
    forged = replace(made, **{changed: other})
    trusted = {attester.identity.did: made.public_key, "other": made.public_key}
    assert not DeviceAttester.verify(forged, trusted=trusted, nonce=forged.nonce)


def test_no_key_is_in_backend_or_vault_after_lock(backend: DeviceBackend) -> None:
    vault = EnclaveVault(backend)
    vault.unlock()
    key, key_id, _ = establish_enclave_session(backend)
    assert backend.load_session_key(key_id) == key
    assert vault._symmetric_key is None
    vault.lock()
    assert backend.load_session_key(key_id) is None
    assert backend._vault is None
    assert backend._session_keys == {}


def test_the_audit_log_cannot_be_cleared_or_changed() -> None:
    log = EnclaveAuditLog(max_entries=2)
    for number in range(5):
        log.log_get("device", f"id-{number}")
    assert (len(log), log.size) == (2, 5)
    head = log.verify()
    with pytest.raises(EnclaveSDKError, match="not cleared"):
        log.clear()
    log._entries.pop(0)
    with pytest.raises(EnclaveSDKError, match="was changed"):
        log.verify()
    assert log.head == head


def test_the_audit_chain_on_disk_has_everything(backend: DeviceBackend) -> None:
    with EnclaveVault(backend, audit=EnclaveAuditLog(max_entries=1)) as vault:
        vault.put_artifact("a", OTHER, b"content")
        for _ in range(5):
            vault.get_artifact("a")
        vault.delete_artifact("a")
    with EnclaveVault(backend) as vault:
        chain = vault.device_vault.audit
        chain.verify()
        acts = [entry.record.act for entry in chain.entries()]
        assert acts.count(AuditAct.GET) == 5
        assert {AuditAct.PUT, AuditAct.DELETED, AuditAct.OPENED, AuditAct.CLOSED} <= set(acts)


def test_what_was_changed_on_disk_is_refused_and_noted(vault: EnclaveVault, backend: DeviceBackend) -> None:
    content = os.urandom(MIB)
    stored = vault.put_artifact("a", OTHER, content)
    (file,) = [path for path in (backend.folder / "blobs").rglob("*") if path.is_file()]
    data = bytearray(file.read_bytes())
    data[200] ^= 1
    file.write_bytes(data)
    with pytest.raises(DecryptionError):
        vault.get_artifact("a")
    failed = vault.audit.entries(artifact_id=stored.metadata.artifact_id, operation="get")
    assert failed[0].success is False


def test_nothing_of_it_is_plaintext_on_disk(vault: EnclaveVault, backend: DeviceBackend) -> None:
    vault.put_artifact("a", OTHER, b"very secret content" * 10)
    stored = b"".join(path.read_bytes() for path in backend.folder.rglob("*") if path.is_file())
    assert b"very secret content" not in stored


def test_its_key_can_be_rotated_without_touching_the_bulk(vault: EnclaveVault, backend: DeviceBackend) -> None:
    vault.put_artifact("a", OTHER, b"content")
    before = {path: path.stat().st_mtime_ns for path in (backend.folder / "blobs").rglob("*")}
    vault.device_vault.rotate()
    assert {path: path.stat().st_mtime_ns for path in (backend.folder / "blobs").rglob("*")} == before
    assert vault.get_artifact("a").content == b"content"


def test_any_place_is_read_without_the_rest(vault: EnclaveVault, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(MIB))
    vault.put_artifact("a", OTHER, source)
    with vault.open_artifact("a") as reader:
        assert reader.pread(700_000, 100) == source.read_bytes()[700_000:700_100]
        reader.seek(-5, io.SEEK_END)
        assert reader.read() == source.read_bytes()[-5:]


MEMORY = """
import re, sys
from pathlib import Path
from hallmark_client.compat.pqc_enclave_sdk import ArtifactKind, EnclaveVault, DeviceBackend
from hallmark_client.device.roots.memory import MemoryRoot
def status(name):
    return int(re.search(rf"^{name}:\\s+(\\d+) kB", Path("/proc/self/status").read_text(), re.M)[1])
folder, source = Path(sys.argv[1]), Path(sys.argv[2])
with EnclaveVault(DeviceBackend(folder, MemoryRoot())) as vault:
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    size = vault.put_artifact("a", ArtifactKind.MODEL_WEIGHTS, source).metadata.size_bytes
    buffer = bytearray(1024 * 1024)
    with vault.open_artifact("a") as reader:
        while reader.readinto(buffer):
            pass
        last = reader.pread(size - 1, 10)
    print(size, (status("VmHWM") - before) // 1024, last.hex())
"""


def sparse_artifact(tmp_path: Path, size: int) -> tuple[int, int, str]:
    """Stored and read; its size, MiB of memory beyond what there was, its last byte."""
    source = tmp_path / "sparse"
    with source.open("wb") as file:
        file.truncate(size - 1)
        file.seek(size - 1)
        file.write(b"\x07")
    command = [sys.executable, "-P", "-c", MEMORY, str(tmp_path / "vault"), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found, memory, last = done.stdout.split()
    return int(found), int(memory), last


@pytest.mark.skipif(not re.match("linux", sys.platform), reason="memory is read from /proc")
def test_memory_does_not_grow_with_the_artifact(tmp_path: Path) -> None:
    size, memory, last = sparse_artifact(tmp_path, 96 * MIB)
    assert (size, last) == (96 * MIB, "07")
    assert memory <= MEMORY_MIB_MAX


@long_only
@pytest.mark.skipif(not re.match("linux", sys.platform), reason="memory is read from /proc")
def test_more_than_two_gigabytes_are_stored_in_the_same_memory(tmp_path: Path) -> None:
    size, memory, last = sparse_artifact(tmp_path, 2048 * MIB + 1)
    assert (size, last) == (2048 * MIB + 1, "07")
    assert memory <= MEMORY_MIB_MAX


def test_a_backend_in_memory_leaves_nothing_behind() -> None:
    backend = InMemoryEnclaveBackend()
    folder = backend.folder
    with EnclaveVault(backend) as vault:
        vault.put_artifact("a", OTHER, b"content")
    assert folder.exists()
    del vault, backend
    assert not folder.exists()
