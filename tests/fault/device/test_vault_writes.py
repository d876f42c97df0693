"""Every write of every act of the vault fails once: before it was done, and after it was done all the same."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from fault.device.vault_world import SteppingDisk, failing_at, file_root
from hallmark_client.device.audit import AuditHead
from hallmark_client.device.chunks import MessageKey, SealedWriter
from hallmark_client.device.errors import ArtifactUnknown, StoreFailed
from hallmark_client.device.model import Caller
from hallmark_client.device.policy import VaultPolicy
from hallmark_client.device.vault import AdoptedPart, Disk, Vault
from hallmark_client.model.consents import ArtifactKind

READER = Caller(application="reader")
KEPT = b"kept" * 10_000
OLD = b"old" * 10_000
NEW = b"new" * 10_000
KEY = bytes(32)


def put(vault: Vault, _: Path) -> None:
    vault.put([NEW], name="new", kind=ArtifactKind.OTHER)


def adopt(vault: Vault, folder: Path) -> None:
    file = folder / "fetched"
    out = bytearray()
    writer = SealedWriter(MessageKey(KEY, b"context", bytes(24)), out.extend)
    writer.write(NEW)
    told = writer.finish()
    writer.close()
    file.write_bytes(out)
    part = AdoptedPart(
        file=file, path="", size=told.size, sha256=told.sha256, blob=told.sealed_sha256, context=b"context"
    )
    vault.adopt([part], bytearray(KEY), name="new", kind=ArtifactKind.OTHER, version=0, digest="ab" * 32)


def delete(vault: Vault, _: Path) -> None:
    vault.delete("old")


def rotate(vault: Vault, _: Path) -> None:
    vault.rotate()


def suspend(vault: Vault, _: Path) -> None:
    vault.suspend("old")
    vault.resume("old")


def keep_secret(vault: Vault, _: Path) -> None:
    vault.keep_secret("device", b"secret")


def read(vault: Vault, _: Path) -> None:
    assert vault.read("old", caller=READER) == OLD
    vault.flush()


ACTS: dict[str, Callable[[Vault, Path], None]] = {
    act.__name__: act for act in (put, adopt, delete, rotate, suspend, keep_secret, read)
}


def prepared(folder: Path) -> None:
    policy = VaultPolicy.allow_own("reader")
    with Vault.open(folder / "vault", file_root(folder / "root.json"), policy=policy) as vault:
        vault.put([KEPT], name="kept", kind=ArtifactKind.OTHER)
        vault.put([OLD], name="old", kind=ArtifactKind.OTHER)


def opened(folder: Path, disk: Disk | None = None) -> Vault:
    return Vault.open(folder / "vault", file_root(folder / "root.json", disk), disk=disk)


def content(vault: Vault, name: str) -> bytes | None:
    try:
        return vault.read(name, caller=READER)
    except ArtifactUnknown:
        return None


def holds(vault: Vault, act: str, *, acknowledged: bool) -> AuditHead:
    """Old or new, never between; what was acknowledged is new."""
    vault.resume(*(each.name for each in vault.artifacts()))
    assert content(vault, "kept") == KEPT
    old, new = content(vault, "old"), content(vault, "new")
    assert old == OLD or (act == "delete" and old is None)
    assert new is None or (act in ("put", "adopt") and new == NEW)
    if acknowledged:
        assert (old is None) is (act == "delete")
        assert (new is None) is (act not in ("put", "adopt"))
    assert not vault.check().damages
    return vault.audit.verify()


def steps_of(act: str, folder: Path) -> int:
    folder.mkdir()
    prepared(folder)
    counted: list[str] = []
    disk = SteppingDisk(lambda _, what: counted.append(what))
    vault = opened(folder, disk)
    before = len(counted)
    ACTS[act](vault, folder)
    vault.close()
    assert len(counted) > before
    return len(counted)


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from-then-on"])
@pytest.mark.parametrize("act", ACTS)
def test_a_write_that_fails_leaves_old_or_new(act: str, lasting: bool, fast_folder: Path) -> None:
    for step in range(1, steps_of(act, fast_folder / "counted") + 1):
        folder = fast_folder / str(step)
        folder.mkdir()
        prepared(folder)
        acknowledged = False
        try:
            with opened(folder, failing_at(step, lasting=lasting)) as vault:
                try:
                    ACTS[act](vault, folder)
                    acknowledged = True
                    head = holds(vault, act, acknowledged=True) if not lasting else None
                except (StoreFailed, OSError, sqlite3.Error):
                    head = holds(vault, act, acknowledged=False) if not lasting else None
        except (StoreFailed, OSError):
            head = None
        with opened(folder) as vault:
            holds(vault, act, acknowledged=acknowledged)
            if head is not None:
                vault.audit.verify(head)
