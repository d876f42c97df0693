"""The index and the files in the hands of somebody else: it shows when they are read, and holds up nothing else."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hallmark_client.device.audit import AuditAct, AuditOutcome
from hallmark_client.device.errors import ArtifactUnknown, ContentInvalid, StoreFailed
from hallmark_client.device.model import Artifact, Caller
from hallmark_client.device.vault import Vault
from hallmark_client.model.consents import ArtifactKind
from unit.hallmark_client.device.vault.device_world import World

OTHER = ArtifactKind.OTHER
Edit = Callable[..., Vault]


@pytest.fixture
def two(vault: Vault) -> tuple[Artifact, Artifact]:
    one = vault.put([b"one" * 9_000], name="one", kind=OTHER, needs_permission=True)
    return one, vault.put([b"two" * 9_000], name="two", kind=OTHER)


def changed(artifact: Artifact, member: str, value: object) -> str:
    """SQL that puts another value for a member into its row, spelled as it should be."""
    text = json.dumps(value)
    path = f"json_set(CAST(row AS TEXT), '$.{member}', json('{text}'))"
    return f"UPDATE artifact SET row = CAST({path} AS BLOB) WHERE artifact_id = '{artifact.artifact_id}'"


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("needs_permission", False),
        ("name", "two-b"),
        ("kind", "CREDENTIAL"),
        ("version", 7),
        ("digest", "00" * 32),
        ("tenant", "other"),
        ("size", 1),
        ("labels", [["a", "b"]]),
        ("why", "because"),
        ("sealed_uses", 1),
        ("epoch", 2),
        ("created_at", "2030-01-01T00:00:00.000000Z"),
    ],
)
def test_an_edited_row_gives_nothing(
    member: str, value: object, two: tuple[Artifact, Artifact], world: World, edited: Edit, app: Caller
) -> None:
    world.permissions = Always()
    vault = edited(changed(two[0], member, value))
    with pytest.raises(ContentInvalid):
        vault.read(str(value) if member == "name" else "one", caller=app)
    assert vault.audit.entries()[-1].record.outcome is AuditOutcome.FAILED
    assert vault.check().damages
    assert vault.read("two", caller=app) == b"two" * 9_000


def test_a_suspension_can_not_be_edited_away(
    two: tuple[Artifact, Artifact], world: World, edited: Edit, app: Caller
) -> None:
    assert world.vault
    world.vault.suspend("two")
    vault = edited(changed(two[1], "state", "available"), changed(two[1], "why", ""))
    with pytest.raises(ContentInvalid):
        vault.read("two", caller=app)


class Always:
    def check(self, artifact: Artifact) -> None:
        """Whoever asks may."""


@pytest.mark.parametrize("garbage", ["x''", "x'00'", "CAST('{}' AS BLOB)", "CAST('[1]' AS BLOB)"])
def test_a_row_that_can_not_be_read_is_left_alone(
    garbage: str, two: tuple[Artifact, Artifact], world: World, edited: Edit, app: Caller
) -> None:
    vault = edited(f"UPDATE artifact SET row = {garbage} WHERE name = 'one'")
    with pytest.raises(ArtifactUnknown):
        vault.find("one")
    assert [damage.name for damage in vault.check().damages] == [two[0].artifact_id]
    vault.delete("two")
    assert (world.folder / "blobs" / two[0].parts[0].blob[:2] / two[0].parts[0].blob).exists()


def test_a_part_can_not_be_made_a_path(
    two: tuple[Artifact, Artifact], world: World, edited: Edit, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"not the vault's")
    vault = edited(f"UPDATE part SET blob = '../../../{victim.name}' WHERE artifact_id = '{two[0].artifact_id}'")
    assert vault.check().damages
    vault.delete("two")
    world.reopen()
    assert victim.read_bytes() == b"not the vault's"


def test_keys_that_changed_rows_open_nothing(two: tuple[Artifact, Artifact], edited: Edit, app: Caller) -> None:
    vault = edited("UPDATE artifact SET wrapped = (SELECT wrapped FROM artifact WHERE name = 'two')")
    assert [damage.name for damage in vault.check().damages] == [two[0].name]
    assert vault.read("two", caller=app) == b"two" * 9_000


def test_files_that_changed_places_open_nothing(two: tuple[Artifact, Artifact], world: World, app: Caller) -> None:
    world.close()
    one, other = (world.folder / "blobs" / each.parts[0].blob[:2] / each.parts[0].blob for each in two)
    shutil.copy(one, other)
    with pytest.raises(ContentInvalid):
        world.open().read("two", caller=app)


@pytest.mark.parametrize("harm", ["gone", "short", "long", "head", "middle", "tail", "link"])
def test_harm_to_a_file_is_found(harm: str, two: tuple[Artifact, Artifact], world: World, app: Caller) -> None:
    blob = two[1].parts[0].blob
    path = world.folder / "blobs" / blob[:2] / blob
    data = bytearray(path.read_bytes())
    match harm:
        case "short":
            del data[-1]
        case "long":
            data += b"x"
        case "head" | "middle" | "tail":
            data[{"head": 30, "middle": len(data) // 2, "tail": -1}[harm]] ^= 1
    path.unlink()
    if harm == "link":
        path.symlink_to("/etc/hostname")
    elif harm != "gone":
        path.write_bytes(data)
    assert world.vault
    with pytest.raises(StoreFailed if harm in ("gone", "link") else ContentInvalid):
        world.vault.read("two", caller=app)
    assert [damage.name for damage in world.vault.check().damages] == ["two"]
    world.vault.delete("two")


def test_a_damaged_row_does_not_hold_up_a_deletion(two: tuple[Artifact, Artifact], world: World, edited: Edit) -> None:
    assert world.vault
    world.vault.keep_secret("mine", b"secret")
    vault = edited(changed(two[0], "digest", "00" * 32), "UPDATE secret SET wrapped = x'00' WHERE label = 'mine'")
    vault.delete("two")
    assert vault.audit.entries()[-1].record.act is AuditAct.DELETED


@pytest.mark.parametrize("fact", ["format", "epoch", "sealed"])
def test_a_damaged_fact_closes_the_vault(fact: str, vault: Vault, edited: Edit) -> None:
    with pytest.raises(StoreFailed):
        edited(f"UPDATE fact SET value = 'x' WHERE name = '{fact}'")


def test_a_file_that_is_no_index_is_refused(vault: Vault, world: World) -> None:
    world.close()
    (world.folder / "index.sqlite").write_bytes(b"not a database" * 1_000)
    with pytest.raises(StoreFailed, match="not a database"):
        world.open()
