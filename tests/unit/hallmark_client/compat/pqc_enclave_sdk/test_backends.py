from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hallmark_client.compat.pqc_enclave_sdk import (
    AndroidEnclaveBackend,
    ArtifactKind,
    ArtifactMetadata,
    BackendError,
    DeviceBackend,
    EnclaveBackend,
    EnclaveVault,
    EncryptedArtifact,
    PolicyViolationError,
    QSEEBackend,
    iOSEnclaveBackend,
)
from hallmark_client.device.roots.bridge import BridgeRoot
from hallmark_client.device.roots.memory import MemoryRoot
from hallmark_client.device.vault import Vault
from hallmark_client.model.consents import ArtifactKind as KindInVault
from support.bridges import served_reference

NAMED = (iOSEnclaveBackend, AndroidEnclaveBackend, QSEEBackend)


@pytest.mark.parametrize("kind", NAMED)
def test_hardware_without_a_bridge_teaches_what_to_do(kind: type[EnclaveBackend]) -> None:
    backend = kind()
    calls = (
        lambda: backend.store_session_key("id", bytes(32), ""),
        lambda: backend.load_session_key("id"),
        lambda: backend.save_artifacts({}),
        backend.load_artifacts,
        lambda: backend.folder,
        EnclaveVault(backend).unlock,
    )
    for call in calls:
        with pytest.raises(BackendError, match=r"bridge=BridgeRoot.*DeviceBackend over a TPM"):
            call()


@pytest.mark.parametrize("kind", NAMED)
def test_no_other_root_passes_for_hardware(kind: type[EnclaveBackend], tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="a memory root is no"):
        kind(folder=tmp_path, bridge=MemoryRoot())
    with pytest.raises(BackendError, match="both or neither"):
        kind(folder=tmp_path)


@pytest.mark.parametrize("kind", NAMED)
def test_hardware_works_over_the_bridge_of_an_app(kind: type[EnclaveBackend], tmp_path: Path) -> None:
    with served_reference(tmp_path) as socket:
        backend = kind("device-1", folder=tmp_path / "vault", bridge=BridgeRoot(socket))
        with EnclaveVault(backend) as vault:
            vault.put_artifact("a", ArtifactKind.CREDENTIAL, b"secret")
        with EnclaveVault(backend) as vault:
            assert vault.get_artifact("a").content == b"secret"
            assert vault.device_vault.root_facts.name == "bridge"
    assert backend.enclave_vendor == kind.enclave_vendor
    assert backend.device_id == "device-1"


class FourMethods(EnclaveBackend):
    def store_session_key(self, key_id: str, key: bytes, expires_at: str) -> None: ...
    def load_session_key(self, key_id: str) -> bytes | None: ...
    def save_artifacts(self, artifacts: dict[str, EncryptedArtifact]) -> None: ...
    def load_artifacts(self) -> dict[str, EncryptedArtifact]: ...


def test_a_backend_with_the_four_old_methods_is_told_what_is_missing() -> None:
    with pytest.raises(BackendError, match="FourMethods has no vault: derive it from DeviceBackend"):
        EnclaveVault(FourMethods()).unlock()


def test_vaults_over_one_backend_share_what_is_open(tmp_path: Path) -> None:
    backend = DeviceBackend(tmp_path, MemoryRoot())
    first, second = EnclaveVault(backend), EnclaveVault(backend)
    first.unlock()
    second.unlock()
    assert first.device_vault is second.device_vault
    first.lock()
    first.lock()
    second.put_artifact("a", ArtifactKind.OTHER, b"1")
    second.lock()
    assert next(iter(backend.load_artifacts().values())).metadata.name == "a"


def test_a_vault_that_is_forgotten_is_closed(tmp_path: Path) -> None:
    backend = DeviceBackend(tmp_path, MemoryRoot())
    vault = EnclaveVault(backend)
    vault.unlock()
    del vault
    assert backend._vault is None


def test_another_process_is_told_that_the_vault_is_in_use(tmp_path: Path) -> None:
    root = MemoryRoot()
    with EnclaveVault(DeviceBackend(tmp_path, root)), pytest.raises(BackendError, match="another process"):
        EnclaveVault(DeviceBackend(tmp_path, root)).unlock()


def test_session_keys_end(tmp_path: Path) -> None:
    backend = DeviceBackend(tmp_path, MemoryRoot())
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    backend.store_session_key("live", b"k" * 32, later)
    backend.store_session_key("over", b"k" * 32, datetime.now(UTC).isoformat())
    assert backend.load_session_key("live") == b"k" * 32
    assert backend.load_session_key("over") is None
    assert backend.load_session_key("none") is None


def test_artifacts_from_elsewhere_are_kept_beside_ours(tmp_path: Path) -> None:
    backend = DeviceBackend(tmp_path, MemoryRoot())
    with EnclaveVault(backend) as vault:
        ours = vault.put_artifact("a", ArtifactKind.OTHER, b"1")
    theirs = EncryptedArtifact(ArtifactMetadata("x", "x", ArtifactKind.OTHER), "00", "ff", "ab", "k")
    backend.save_artifacts({"x": theirs, "y": ours})
    assert set(backend.load_artifacts()) == {"x", ours.metadata.artifact_id}


def test_a_vendor_is_what_the_root_says(tmp_path: Path) -> None:
    assert DeviceBackend(tmp_path, MemoryRoot()).enclave_vendor == "memory (advisory)"


def test_a_vault_that_was_made_and_not_yet_used_is_opened_to_this_program(tmp_path: Path) -> None:
    """As a crash leaves it, between its making and its first policy."""
    root = MemoryRoot()
    Vault.open(tmp_path, root).close()
    with EnclaveVault(DeviceBackend(tmp_path, root)) as vault:
        vault.put_artifact("a", ArtifactKind.OTHER, b"1")
        assert vault.get_artifact("a").content == b"1"


def test_a_vault_of_others_that_is_closed_stays_closed(tmp_path: Path) -> None:
    root = MemoryRoot()
    with Vault.open(tmp_path, root) as made:
        made.put([b"1"], name="a", kind=KindInVault.OTHER)
    with EnclaveVault(DeviceBackend(tmp_path, root)) as vault, pytest.raises(PolicyViolationError, match="no rule"):
        vault.get_artifact("a")
