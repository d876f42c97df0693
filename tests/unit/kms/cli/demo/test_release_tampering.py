"""What the demonstration shows to be refused is the smallest change that there is, and is refused for that alone."""

import json
import shutil
from pathlib import Path

import pytest

from hallmark_release import FolderSource, verify_parts, verify_release
from hallmark_release.errors import MetadataUnsigned, PieceInvalid
from kms.cli.demo.release_tampering import flip_bit, strip_ml_dsa
from unit.hallmark_release.release_world import MODEL, NOW, Publisher

FILES = {"config.json": b"{}", "weights.bin": bytes(5_000_000)}


def bytes_of(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def changed(before: Path, after: Path) -> list[Path]:
    was, now = bytes_of(before), bytes_of(after)
    assert was.keys() == now.keys()
    return [path for path in was if was[path] != now[path]]


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path)


def test_one_bit_of_the_weights(publisher: Publisher, tmp_path: Path) -> None:
    index, copy = publisher.publish(FILES).index, tmp_path / "copy"
    shutil.copytree(publisher.served, copy)
    flip_bit(copy, index)
    weights = next(part for part in index.parts if part.path == "weights.bin")
    assert changed(publisher.served, copy) == [Path(weights.location)]
    was, now = (int.from_bytes((folder / weights.location).read_bytes()) for folder in (publisher.served, copy))
    assert (was ^ now).bit_count() == 1
    release = verify_release(FolderSource(copy), MODEL, publisher.trust, now=NOW)
    with pytest.raises(PieceInvalid):
        verify_parts(FolderSource(copy), release)


def test_without_the_post_quantum_signature(publisher: Publisher, tmp_path: Path) -> None:
    index, copy = publisher.publish(FILES).index, tmp_path / "copy"
    shutil.copytree(publisher.served, copy)
    strip_ml_dsa(copy, index)
    assert changed(publisher.served, copy) == [Path("metadata/timestamp.json")]
    with pytest.raises(MetadataUnsigned):
        verify_release(FolderSource(copy), MODEL, publisher.trust, now=NOW)
    (left,) = json.loads((copy / "metadata/timestamp.json").read_bytes())["signatures"]
    keys = json.loads(publisher.repository.root())["signed"]["keys"]
    assert keys[left["keyid"]]["keytype"] == "ecdsa"
