"""Parts on their way: piece by piece, from where a download stopped, and opened before anybody sees them."""

import secrets
from pathlib import Path

import pytest

from hallmark_release import (
    FolderSource,
    good_pieces,
    open_part,
    verify_pieces,
)
from hallmark_release.errors import (
    ContentInvalid,
    PieceInvalid,
    ReleaseMismatch,
)
from unit.hallmark_release.release_world import (
    MODEL,
    Publisher,
)

FILES = {
    "config.json": b'{"hidden": 4096}',
    "weights/model.safetensors": secrets.token_bytes(5 * 1024 * 1024 + 3),
    "tokenizer.json": b"{}",
}


def test_pieces_as_they_arrive(publisher: Publisher) -> None:
    built = publisher.publish(FILES)
    part = built.index.part("weights/model.safetensors")
    whole = (publisher.served / part.location).read_bytes()
    assert (
        b"".join(piece.data for piece in verify_pieces(part, [whole[:100], whole[100:5_000_000], whole[5_000_000:]]))
        == whole
    )
    assert [piece.number for piece in verify_pieces(part, [whole[4 * 1024 * 1024 :]], first=1)] == [1]
    for bad in (whole[:-1], whole + b"x", whole[:9] + b"\0" + whole[10:], b""):
        if bad != whole:
            with pytest.raises(PieceInvalid):
                list(verify_pieces(part, [bad]))


def test_where_a_download_goes_on(publisher: Publisher, tmp_path: Path) -> None:
    built = publisher.publish(FILES)
    part = built.index.part("weights/model.safetensors")
    partial = tmp_path / "partial"
    whole = (publisher.served / part.location).read_bytes()
    for size, good in ((0, 0), (100, 0), (4 * 1024 * 1024, 1), (len(whole) - 1, 1), (len(whole), 2)):
        partial.write_bytes(whole[:size])
        with partial.open("rb") as file:
            assert good_pieces(part, file) == good
    rest = FolderSource(publisher.served).stream(part.location, start=4 * 1024 * 1024)
    assert [piece.number for piece in verify_pieces(part, rest, first=1)] == [1]


def test_parts_that_do_not_open(publisher: Publisher, tmp_path: Path) -> None:
    built = publisher.publish(FILES)
    part, config = built.index.part("weights/model.safetensors"), built.index.part("config.json")
    signed = {file.path: file for file in built.statement.files}
    whole = (publisher.served / part.location).read_bytes()
    key, context = publisher.content_keys[1], built.index.context(part)
    copy = tmp_path / "copy"

    def opened(data: bytes = whole, key: bytes = key, context: bytes = context) -> None:
        copy.write_bytes(data)
        with copy.open("rb") as file:
            open_part(part, signed[part.path], encrypted=file, key=key, context=context)

    opened()
    for bad in (
        {"key": bytes(32)},
        {"key": b"short"},
        {"context": built.index.context(config)},
        {"data": whole[: 56 + 16400 * 64]},
        {"data": whole[:-1]},
        {"data": whole[:-20] + bytes(20)},
        {"data": b""},
    ):
        with pytest.raises(ContentInvalid):
            opened(**bad)
    with pytest.raises(ReleaseMismatch), copy.open("rb") as file:
        open_part(part, signed["config.json"], encrypted=file, key=key, context=context)


def test_a_part_that_is_not_what_was_signed(publisher: Publisher) -> None:
    """Encrypted rightly, listed rightly, signed otherwise: an index from another build of other bytes."""
    one = publisher.build({"a": b"1111"}, epoch=1)
    part = one.index.parts[0]
    signed = publisher.build({"a": b"2222"}, epoch=2).statement.files[0]
    location = publisher.folder / f"built-{MODEL}-1" / part.location
    with location.open("rb") as file, pytest.raises(ContentInvalid, match="signed"):
        open_part(part, signed, encrypted=file, key=publisher.content_keys[1], context=one.index.context(part))
