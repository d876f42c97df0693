"""What a vault keeps, and how it is taken out again."""

import hashlib
import io
import os
import stat
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hallmark_client.device.errors import ArtifactExists, ArtifactUnknown, StoreFailed, VaultInUse
from hallmark_client.device.model import Caller
from hallmark_client.device.roots.memory import MemoryRoot
from hallmark_client.device.vault import Vault
from hallmark_client.model.consents import ArtifactKind
from support.fault_runs import LONG
from unit.hallmark_client.device.vault.device_world import World

CONTENT = hashlib.shake_256(b"content").digest(2_500_000)
OTHER = ArtifactKind.OTHER


class OnlyRead:
    """A file that has `read` and nothing else, such as an HTTP response."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._file.read(min(size, 100_000))


@pytest.mark.parametrize("source", ["path", "file", "read", "pieces"])
def test_every_source_comes_back_as_it_was(source: str, vault: Vault, app: Caller, tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(CONTENT)
    told: list[int] = []
    pieces = [CONTENT[start : start + 70_001] for start in range(0, len(CONTENT), 70_001)]
    with path.open("rb") as file:
        sources = {"path": path, "file": file, "read": OnlyRead(CONTENT), "pieces": pieces}
        artifact = vault.put(sources[source], name="m", kind=ArtifactKind.MODEL_WEIGHTS, progress=told.append)
    assert vault.read("m", caller=app) == CONTENT
    assert (artifact.size, artifact.digest) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    assert told == sorted(told)
    assert told[-1] == len(CONTENT)


async def test_pieces_that_arrive_are_stored_without_holding_the_loop(vault: Vault, app: Caller) -> None:
    async def arriving() -> AsyncIterator[bytes]:
        for start in range(0, len(CONTENT), 300_000):
            yield CONTENT[start : start + 300_000]

    await vault.put_async(arriving(), name="m", kind=OTHER)
    assert await vault.read_async("m", caller=app) == CONTENT


@pytest.mark.parametrize("size", [0, 1, 16_384, 1 << 20, (1 << 20) + 1])
def test_any_size_survives_a_restart(size: int, world: World, app: Caller) -> None:
    artifact = world.open().put([CONTENT[:size]], name="m", kind=OTHER, labels={"a": "b"}, version=3)
    vault = world.reopen()
    assert vault.find("m") == artifact
    assert vault.artifacts() == (artifact,)
    assert vault.read("m", caller=app) == CONTENT[:size]


def test_a_reader_reads_from_any_place(vault: Vault, app: Caller) -> None:
    vault.put([CONTENT], name="m", kind=OTHER)
    with vault.get("m", caller=app) as reader:
        assert reader.seekable()
        assert reader.size == len(CONTENT)
        assert reader.pread(1_234_567, 4096) == CONTENT[1_234_567 : 1_234_567 + 4096]
        assert reader.seek(-10, io.SEEK_END) == len(CONTENT) - 10
        assert reader.read() == CONTENT[-10:]
        assert reader.read() == b""
        assert reader.seek(5) == reader.tell() == 5
        buffer = bytearray(40_000)
        assert reader.readinto(buffer) == 40_000
        assert buffer == CONTENT[5:40_005]
        assert io.BufferedReader(reader).peek(1)[:3] == CONTENT[40_005:40_008]
        with pytest.raises(ValueError, match="no position"):
            reader.seek(-1)
    with pytest.raises(ValueError, match="closed"):
        reader.pread(0, 1)


def test_a_name_without_version_is_the_highest(vault: Vault, app: Caller) -> None:
    for version in (2, 10, 1):
        vault.put([b"%d" % version], name="m", kind=OTHER, version=version)
    assert vault.find("m").version == 10
    assert vault.read("m", caller=app) == b"10"
    assert vault.read("m", version=2, caller=app) == b"2"
    with pytest.raises(ArtifactExists, match="higher version"):
        vault.put([b""], name="m", kind=OTHER, version=2)


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 257])
def test_a_name_that_can_not_be_is_refused(name: str, vault: Vault) -> None:
    with pytest.raises(ValueError, match="printable"):
        vault.put([b""], name=name, kind=OTHER)


def test_what_is_not_there_is_unknown(vault: Vault, app: Caller) -> None:
    vault.put([b""], name="m", kind=OTHER)
    for act in (
        lambda: vault.read("n", caller=app),
        lambda: vault.read("m", version=7, caller=app),
        lambda: vault.find("n"),
        lambda: vault.delete("n"),
        lambda: vault.suspend("n"),
        lambda: vault.secret("n"),
    ):
        with pytest.raises(ArtifactUnknown):
            act()
    with pytest.raises(ArtifactUnknown, match="no part 'weights'"):
        vault.read("m", part="weights", caller=app)


def test_an_error_of_the_source_passes_through_and_nothing_stays(vault: Vault, world: World) -> None:
    def pieces() -> object:
        yield CONTENT
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError, match="the source broke"):
        vault.put(pieces(), name="m", kind=OTHER)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        vault.put(world.folder / "nothing", name="m", kind=OTHER)
    assert vault.artifacts() == ()
    assert not [path for path in (world.folder / "blobs").rglob("*") if path.is_file()]


def test_nobody_else_may_read_the_folder(vault: Vault, world: World) -> None:
    vault.put([b"x"], name="m", kind=OTHER)
    for path in (world.folder, *world.folder.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode & 0o077 == 0, path


def test_no_plaintext_is_on_disk(vault: Vault, world: World) -> None:
    vault.put([b"secret words " * 5_000], name="m", kind=OTHER)
    vault.keep_secret("device", b"other secret words")
    vault.flush()
    for path in world.folder.rglob("*"):
        assert not path.is_file() or b"secret words" not in path.read_bytes()


def test_one_process_at_a_time(vault: Vault, world: World) -> None:
    with pytest.raises(VaultInUse, match="another process"):
        Vault.open(world.folder, MemoryRoot(world.root.state))
    vault.close()
    world.open()


def test_a_closed_vault_says_so(vault: Vault, app: Caller) -> None:
    vault.put([b"x"], name="m", kind=OTHER)
    reader = vault.get("m", caller=app)
    vault.close()
    vault.close()
    for act in (lambda: vault.get("m", caller=app), vault.artifacts, lambda: reader.pread(0, 1), vault.rotate):
        with pytest.raises(StoreFailed, match="closed"):
            act()


def test_a_vault_is_of_one_tenant(vault: Vault, world: World) -> None:
    world.close()
    with pytest.raises(StoreFailed, match="of tenant 'default', not other"):
        Vault.open(world.folder, world.root, tenant="other")


def test_secrets_are_kept_and_replaced(world: World) -> None:
    vault = world.open()
    vault.keep_secret("device", b"first")
    vault.keep_secret("device", bytearray(b"second"))
    vault.rotate()
    assert world.reopen().secret("device") == b"second"
    with pytest.raises(ValueError, match="up to 65536"):
        world.reopen().keep_secret("x", bytes(65_537))


def test_halves_and_strangers_in_the_folder_are_swept(world: World, app: Caller) -> None:
    artifact = world.open().put([b"x"], name="m", kind=OTHER)
    world.close()
    blobs = world.folder / "blobs"
    (blobs / "incoming-1").write_bytes(b"half")
    (blobs / "ab").mkdir(exist_ok=True)
    (blobs / "ab" / ("ab" * 32)).write_bytes(b"no row names it")
    assert world.open().read("m", caller=app) == b"x"
    assert [path.name for path in blobs.rglob("*") if path.is_file()] == [artifact.parts[0].blob]


def test_files_without_an_index_are_not_swept(world: World) -> None:
    world.open().put([b"x"], name="m", kind=OTHER)
    world.close()
    os.unlink(world.folder / "index.sqlite")  # noqa: PTH108
    with pytest.raises(StoreFailed, match="put index"):
        world.open()
    assert any(path.is_file() for path in (world.folder / "blobs").rglob("*"))


def test_a_number_that_is_none_never_breaks_the_audit(vault: Vault, app: Caller) -> None:
    """True is a number to Python, and another word to JSON: such an entry could never be read again."""
    for version in (True, False, 1.0, "1", None):
        with pytest.raises(ValueError, match="the version of an artifact"):
            vault.put([b"x"], name="m", kind=OTHER, version=version, caller=app)  # type: ignore[arg-type]
    with pytest.raises(ArtifactUnknown):
        vault.get("m", version=True, caller=app)
    assert vault.audit.verify() == vault.audit.head()


def test_what_it_tells_of_itself_changes_nothing_in_it(vault: Vault) -> None:
    artifact = vault.put([b"x"], name="m", kind=OTHER, labels={"model": "a"})
    for told in (artifact, vault.find("m")):
        with pytest.raises(TypeError):
            told.labels["model"] = "b"  # type: ignore[index]
    assert vault.find("m").labels == {"model": "a"}


def test_a_thousand_opens_and_reads_leave_nothing_behind(world: World, app: Caller) -> None:
    opens, reads = (1_000, 10_000) if LONG else (20, 200)
    world.open().put([b"x" * 20_000], name="m", kind=OTHER)

    def held() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), threading.active_count()  # noqa: PTH208

    vault = world.reopen()
    before = held()
    for number in range(reads):
        reader = vault.get("m", caller=app)
        assert reader.read(1) == b"x"
        if number % 2:
            reader.close()
        del reader
    vault.flush()
    assert held() == before
    for _ in range(opens):
        world.reopen()
    assert held() == before
