"""Encrypted files that were made elsewhere become artifacts."""

import errno
import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from hallmark_client.device.chunks import MessageKey, SealedWriter
from hallmark_client.device.errors import ArtifactExists, ContentInvalid, StoreFailed
from hallmark_client.device.model import Artifact, Caller
from hallmark_client.device.vault import AdoptedPart, Disk, Vault
from hallmark_client.model.consents import ArtifactKind
from unit.hallmark_client.device.vault.device_world import World

KEY = bytes(range(32))
DIGEST = "ab" * 32


def made(folder: Path, path: str, content: bytes) -> AdoptedPart:
    out = bytearray()
    writer = SealedWriter(MessageKey(KEY, path.encode(), os.urandom(24)), out.extend)
    writer.write(content)
    told = writer.finish()
    writer.close()
    file = folder / hashlib.sha256(path.encode()).hexdigest()
    file.write_bytes(out)
    return AdoptedPart(
        file=file, path=path, size=told.size, sha256=told.sha256, blob=told.sealed_sha256, context=path.encode()
    )


@pytest.fixture
def parts(tmp_path: Path) -> list[AdoptedPart]:
    return [made(tmp_path, "weights/1", b"one" * 10_000), made(tmp_path, "config.json", b"{}")]


def adopt(vault: Vault, parts: list[AdoptedPart], name: str = "m") -> Artifact:
    kind = ArtifactKind.MODEL_WEIGHTS
    return vault.adopt(parts, bytearray(KEY), name=name, kind=kind, version=4, digest=DIGEST, needs_permission=False)


def test_parts_are_read_by_their_paths(parts: list[AdoptedPart], world: World, app: Caller) -> None:
    artifact = adopt(world.open(), parts)
    assert (artifact.digest, artifact.size, artifact.version) == (DIGEST, 30_002, 4)
    vault = world.reopen()
    assert vault.find("m") == artifact
    assert vault.read("m", part="weights/1", caller=app) == b"one" * 10_000
    assert vault.read("m", part="config.json", caller=app) == b"{}"
    assert not any(part.file.exists() for part in parts)
    assert not vault.check().damages


def test_a_file_that_does_not_open_changes_nothing(parts: list[AdoptedPart], vault: Vault) -> None:
    harmed = bytearray(parts[1].file.read_bytes())
    harmed[-1] ^= 1
    parts[1].file.write_bytes(harmed)
    for wrong in (parts, [replace(parts[0], context=b"other")], [replace(parts[0], size=1)]):
        with pytest.raises(ContentInvalid):
            adopt(vault, wrong)
    with pytest.raises(StoreFailed):
        adopt(vault, [replace(parts[0], file=parts[0].file.with_name("nothing"))])
    assert vault.artifacts() == ()
    assert all(part.file.exists() for part in parts)


@pytest.mark.parametrize("blob", ["", "../x", "AB" * 32, "ab" * 31])
def test_the_name_of_a_file_is_a_digest(blob: str, parts: list[AdoptedPart], vault: Vault) -> None:
    with pytest.raises(ValueError, match="64 hex digits"):
        adopt(vault, [replace(parts[0], blob=blob)])


def test_paths_are_different(parts: list[AdoptedPart], vault: Vault) -> None:
    with pytest.raises(ValueError, match="paths"):
        adopt(vault, [parts[0], parts[0]])
    with pytest.raises(ValueError, match="paths"):
        adopt(vault, [])


def test_files_that_two_artifacts_share_stay_until_both_are_gone(
    parts: list[AdoptedPart], tmp_path: Path, vault: Vault, app: Caller
) -> None:
    data = parts[0].file.read_bytes()
    adopt(vault, parts[:1], "one")
    parts[0].file.write_bytes(data)
    with pytest.raises(ArtifactExists):
        adopt(vault, parts[:1], "one")
    adopt(vault, parts[:1], "two")
    vault.delete("one")
    assert vault.read("two", part="weights/1", caller=app) == b"one" * 10_000
    vault.delete("two")
    assert not [path for path in (tmp_path / "vault" / "blobs").rglob("*") if path.is_file()]


class NoLinks(Disk):
    """A file system without hard links, or another one."""

    def link(self, source: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")


def test_files_are_copied_where_they_can_not_be_linked(parts: list[AdoptedPart], world: World, app: Caller) -> None:
    world.vault = vault = Vault.open(world.folder, world.root, policy=world.policy, disk=NoLinks())
    adopt(vault, parts)
    assert vault.read("m", part="weights/1", caller=app) == b"one" * 10_000
    assert not any(part.file.exists() for part in parts)
