"""Statement and index are signed, logged and fit each other, and still one of their digests is not true."""

import secrets
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hallmark_client.device.updates import Updater
from hallmark_release import BuiltRelease
from hallmark_release.errors import ContentInvalid, PieceInvalid
from hallmark_release.index import IndexPart
from unit.hallmark_client.device.updates.update_world import APP, MIB, UpdateDevice
from unit.hallmark_release.release_world import MODEL, Publisher, release_files

WEIGHTS = "weights.bin"
OTHER = "other-1b"


def falsified(built: BuiltRelease, shard: bytes | None = None, **changed: object) -> BuiltRelease:
    """Of the only file: its first shard in the statement, or members of its row in the index."""
    (file,), (part,) = built.statement.files, built.index.parts
    if shard is not None:
        file = replace(file, shards=(shard, *file.shards[1:]))
    statement = replace(built.statement, files=(file,))
    index = replace(built.index, statement_sha256=statement.sha256, parts=(replace(part, **changed),))
    return BuiltRelease(statement, index)


@pytest.mark.parametrize("changed", [{"sha256": "0" * 64}, {"shard": bytes(32)}], ids=["plaintext", "shard"])
def test_every_digest_of_the_plaintext_is_compared(publisher: Publisher, device: UpdateDevice, changed: dict) -> None:
    """Also the one that only the index holds: applications are told it."""
    built = publisher.publish({WEIGHTS: secrets.token_bytes(9 * MIB)})
    publisher.list_anything(release_files(falsified(built, **changed)))
    with pytest.raises(ContentInvalid, match="not the file that was signed"):
        device.update()
    assert device.installed() is None


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def extend(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def extend_by_chunks(path: Path) -> None:
    path.write_bytes(path.read_bytes() + bytes(3 * MIB))


def change_the_end(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


@pytest.mark.parametrize("change", [cut, extend, extend_by_chunks, change_the_end])
def test_a_file_that_was_changed_here_is_fetched_again(
    publisher: Publisher, device: UpdateDevice, change: Callable[[Path], None]
) -> None:
    files = {WEIGHTS: secrets.token_bytes(5 * MIB)}
    built = publisher.publish(files)

    def key(artifact: str, epoch: int) -> bytearray:
        change(device.waiting()[0])
        return bytearray(publisher.content_keys[epoch])

    device.key = key
    with pytest.raises(PieceInvalid, match="update again"):
        device.update()
    assert device.waiting() == []
    device.key = None
    device.update()
    device.check_installed(built, files)


@pytest.mark.parametrize(("bytes_of_victim", "refused"), [(False, PieceInvalid), (True, ContentInvalid)])
def test_a_publisher_that_says_the_name_of_anothers_file(
    publisher: Publisher, device: UpdateDevice, bytes_of_victim: bool, refused: type[Exception]
) -> None:
    """A name is made of pieces, and they are compared: whose bytes lie there then are the other one's."""
    files = {WEIGHTS: secrets.token_bytes(MIB)}
    built = publisher.publish(files)
    (victim,) = built.index.parts
    false = publisher.build({WEIGHTS: secrets.token_bytes(MIB)}, epoch=2, model=OTHER)
    served = shutil.copytree(publisher.served, publisher.folder / "other")
    if not bytes_of_victim:
        _serve_as(publisher.folder / f"built-{OTHER}-2", served, false.index.parts[0], victim)
    publisher.list_anything(release_files(falsified(false, pieces=victim.pieces)), model=OTHER)
    shutil.copytree(publisher.served, served, dirs_exist_ok=True, ignore=lambda *_: ["parts"])
    device.key = lambda _, epoch: bytearray(publisher.content_keys[epoch])
    with pytest.raises(refused):
        _updater(device, served).update(OTHER)
    device.update()
    device.check_installed(built, files)
    assert [artifact.name for artifact in device.vault.artifacts()] == [MODEL]
    assert device.vault.read(MODEL, part=WEIGHTS, caller=APP) == files[WEIGHTS]


def _serve_as(built: Path, served: Path, part: IndexPart, name: IndexPart) -> None:
    (served / name.location).write_bytes((built / part.location).read_bytes())


def _updater(device: UpdateDevice, served: Path) -> Updater:
    return Updater(
        device.vault,
        served,
        device.publisher.trust,
        key_source=device.request_key,
        folder=device.folder / "of-other",
        now=lambda: device.time,
    )
