"""Reads are written down in groups: where that can not be done, reading ends."""

import sqlite3

import pytest

from hallmark_client.device.audit import AuditAct
from hallmark_client.device.audit.buffered import GROUP_MAX
from hallmark_client.device.errors import StoreFailed
from hallmark_client.device.model import Caller
from hallmark_client.device.vault import Disk, Vault
from hallmark_client.model.consents import ArtifactKind
from unit.hallmark_client.device.vault.device_world import World


class BrokenDisk(Disk):
    broken = False

    def commit(self, connection: sqlite3.Connection) -> None:
        if self.broken:
            raise sqlite3.OperationalError("disk I/O error")
        super().commit(connection)


def test_reading_ends_where_the_audit_can_not_be_written(world: World, app: Caller) -> None:
    disk = BrokenDisk()
    vault = world.vault = Vault.open(world.folder, world.root, policy=world.policy, disk=disk)
    vault.put([b"x"], name="m", kind=ArtifactKind.OTHER)
    before = vault.audit.head().size
    disk.broken = True
    reads = 0
    with pytest.raises(StoreFailed):  # noqa: PT012 - which read it is depends on the thread that writes
        while reads < 20 * GROUP_MAX:
            assert vault.read("m", caller=app) == b"x"
            reads += 1
    assert reads > 0
    assert vault.audit.head().size == before
    disk.broken = False
    vault.close()
    gets = [
        entry for entry in world.open().audit.entries(after=before, limit=10_000) if entry.record.act is AuditAct.GET
    ]
    assert len(gets) == reads


def test_what_was_read_is_written_when_the_vault_closes(world: World, app: Caller) -> None:
    vault = world.open()
    vault.put([b"x"], name="m", kind=ArtifactKind.OTHER)
    for _ in range(3):
        vault.read("m", caller=app)
    acts = [entry.record.act for entry in world.reopen().audit.entries()]
    assert acts.count(AuditAct.GET) == 3
    assert acts[-2:] == [AuditAct.CLOSED, AuditAct.OPENED]
