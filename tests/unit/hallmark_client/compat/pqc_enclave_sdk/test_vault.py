from pathlib import Path

import pytest

from hallmark_client.compat.pqc_enclave_sdk import (
    ArtifactKind,
    DeviceBackend,
    EnclaveArtifact,
    EnclaveLockedError,
    EnclaveVault,
    EncryptedArtifact,
    UnknownArtifactError,
)
from hallmark_client.device.roots.memory import MemoryRoot
from hallmark_client.model.consents import ArtifactKind as KindInVault


@pytest.fixture
def vault(tmp_path: Path) -> EnclaveVault:
    vault = EnclaveVault(DeviceBackend(tmp_path / "vault", MemoryRoot(), device_id="d-1"))
    vault.unlock()
    yield vault
    vault.lock()


def test_every_text_comes_back(vault: EnclaveVault) -> None:
    put = vault.put_artifact(
        "name of it, with spaces: ü",
        ArtifactKind.SAFETY_MODEL,
        b"content",
        version="1.0.0-rc1",
        app_bundle_id="com.example",
        model_did="did:x",
        tags=("a", "ü"),
        description="a long text\n" * 100,
    )
    vault.lock()
    vault.unlock()
    (found,) = vault.list_artifacts()
    assert found == put.metadata
    assert found.tags == ("a", "ü")
    assert found.description == "a long text\n" * 100
    assert found.device_id == "d-1"
    assert found.size_bytes == 7
    assert vault.get_artifact(found.artifact_id).metadata == found


def test_texts_have_an_end(vault: EnclaveVault) -> None:
    with pytest.raises(ValueError, match="at most 16,384"):
        vault.put_artifact("a", ArtifactKind.OTHER, b"", description="x" * 20_000)
    assert vault.list_artifacts() == []


def test_the_hash_is_of_the_content_from_bytes_and_from_a_file(vault: EnclaveVault, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"content")
    for content in (b"content", source):
        put = vault.put_artifact("a", ArtifactKind.OTHER, content)
        assert put.content_hash == EnclaveArtifact.content_hash(b"content")
        assert vault.get_artifact("a").sha3_256_hex() == put.content_hash


def test_the_encrypted_bytes_are_those_on_disk(vault: EnclaveVault) -> None:
    put = vault.put_artifact("a", ArtifactKind.OTHER, b"content")
    (file,) = [path for path in (vault.backend.folder / "blobs").rglob("*") if path.is_file()]
    assert bytes.fromhex(put.nonce + put.ciphertext) == file.read_bytes()
    copy = EncryptedArtifact.from_dict(put.to_dict())
    assert (copy.metadata, copy.nonce, copy.ciphertext) == (put.metadata, put.nonce, put.ciphertext)
    assert put.ciphertext not in repr(put)
    vault.delete_artifact("a")
    with pytest.raises(UnknownArtifactError):
        _ = put.ciphertext
    with pytest.raises(AttributeError):
        _ = put.other


def test_plaintext_is_not_in_the_text_of_an_artifact(vault: EnclaveVault) -> None:
    vault.put_artifact("a", ArtifactKind.CREDENTIAL, b"sk-secret")
    assert "sk-secret" not in repr(vault.get_artifact("a"))


def test_what_other_programs_stored_in_the_vault_is_seen(vault: EnclaveVault) -> None:
    vault.device_vault.put([b"content"], name="models/x", kind=KindInVault.TOKENIZER, version=7)
    (found,) = vault.list_artifacts()
    assert (found.kind, found.description) == (ArtifactKind.TOKENIZER, "")
    assert vault.get_artifact("models/x").content == b"content"


@pytest.mark.parametrize("name", ["_symmetric_key", "_key_id", "_expires_at", "_store"])
def test_writing_the_old_private_names_changes_nothing(vault: EnclaveVault, name: str) -> None:
    vault.put_artifact("a", ArtifactKind.OTHER, b"content")
    before = getattr(vault, name)
    setattr(vault, name, None)
    assert getattr(vault, name) == before
    assert vault.get_artifact("a").content == b"content"


def test_everything_needs_an_unlocked_vault(tmp_path: Path) -> None:
    vault = EnclaveVault(DeviceBackend(tmp_path, MemoryRoot()))
    calls = (
        vault.save,
        vault.list_artifacts,
        lambda: vault.device_vault,
        lambda: vault.open_artifact("a"),
        lambda: vault.delete_artifact("a"),
        lambda: vault.put_artifact("a", ArtifactKind.OTHER, b""),
    )
    for call in calls:
        with pytest.raises(EnclaveLockedError):
            call()
    assert vault._store == {}


def test_an_unknown_name_is_noted(vault: EnclaveVault) -> None:
    with pytest.raises(UnknownArtifactError):
        vault.get_artifact("nothing")
    assert vault.audit.entries(operation="get")[0].details == "not found"


def test_readers_end_with_the_lock(vault: EnclaveVault) -> None:
    vault.put_artifact("a", ArtifactKind.OTHER, b"content")
    reader = vault.open_artifact("a")
    vault.lock()
    with pytest.raises(Exception, match="closed"):
        reader.read()
