"""One pass over a file: every digest that it gives is computed here again, the slow way."""

import hashlib
import secrets
from pathlib import Path

import pytest
from cryptography.cobblestone import Cobblestone256Decryptor

from hallmark_release.errors import FolderUnusable
from hallmark_release.index import PIECE_SIZE, encrypted_size
from hallmark_release.parts import encrypt_file
from hallmark_release.scan import FoundFile
from hallmark_release.statement import SHARD_SIZE

CHUNK, BLOCK = 16 * 1024, 1024 * 1024
KEY = secrets.token_bytes(32)


def pieces(data: bytes, size: int) -> tuple[bytes, ...]:
    return tuple(hashlib.sha256(data[at : at + size]).digest() for at in range(0, len(data), size))


def part_name(encrypted: bytes) -> str:
    return hashlib.sha256(b"hallmark/release-part/v1\n" + b"".join(pieces(encrypted, PIECE_SIZE))).hexdigest()


@pytest.mark.parametrize(
    "size",
    [
        1,
        *(edge + off for edge in (CHUNK, BLOCK, SHARD_SIZE) for off in (-1, 0, 1)),
        PIECE_SIZE - 4152,  # encrypted, exactly one piece
        PIECE_SIZE - 4151,
        2 * SHARD_SIZE + BLOCK + 7,
    ],
)
def test_digests_at_the_edges(tmp_path: Path, size: int) -> None:
    data = secrets.token_bytes(size)
    (tmp_path / "plain").write_bytes(data)
    seen: list[int] = []
    made = encrypt_file(
        FoundFile("a", tmp_path / "plain", size), key=KEY, context=b"c", folder=tmp_path / "out", progress=seen.append
    )
    encrypted = (tmp_path / "out" / made.part.location).read_bytes()
    assert (made.signed.path, made.signed.size, made.signed.shards) == ("a", size, pieces(data, SHARD_SIZE))
    assert (made.part.size, made.part.sha256) == (size, hashlib.sha256(data).hexdigest())
    assert made.part.encrypted_size == len(encrypted) == encrypted_size(size)
    assert made.part.pieces == pieces(encrypted, PIECE_SIZE)
    assert size != PIECE_SIZE - 4152 or len(encrypted) == PIECE_SIZE
    opener = Cobblestone256Decryptor(KEY, b"c")
    assert opener.update(encrypted) + opener.finalize() == data
    assert sum(seen) == size
    assert [path.name for path in (tmp_path / "out").rglob("*") if path.is_file()] == [part_name(encrypted)]


def test_the_same_file_twice_is_two_ciphertexts(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"weights")
    file = FoundFile("a", tmp_path / "plain", 7)
    one, two = (encrypt_file(file, key=KEY, context=b"c", folder=tmp_path / "out") for _ in range(2))
    assert one.part.location != two.part.location
    assert one.part.sha256 == two.part.sha256


@pytest.mark.parametrize("now", [b"", b"123", b"12345"], ids=["emptied", "shorter", "longer"])
def test_a_file_that_changes_leaves_nothing(tmp_path: Path, now: bytes) -> None:
    (tmp_path / "plain").write_bytes(now)
    with pytest.raises(FolderUnusable, match="changes"):
        encrypt_file(FoundFile("a", tmp_path / "plain", 4), key=KEY, context=b"c", folder=tmp_path / "out")
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def test_a_link_that_took_its_place(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"1234")
    (tmp_path / "plain").symlink_to("secret")
    with pytest.raises(FolderUnusable):
        encrypt_file(FoundFile("a", tmp_path / "plain", 4), key=KEY, context=b"c", folder=tmp_path / "out")
