"""Whole logs written by Tessera: audited, read, and written again byte for byte."""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from hallmark_test_options import vectors_folder

from hallmark_tlog.audit import audit
from hallmark_tlog.bundles import format_bundle
from hallmark_tlog.checkpoint import Checkpoint, parse_checkpoint
from hallmark_tlog.compact import CompactRange
from hallmark_tlog.errors import FormatError, MissingResource, NotSigned, TamperedError
from hallmark_tlog.fetch import Fetch, folder_fetcher
from hallmark_tlog.merkle import leaf_hash, root_from_leaves, verify_consistency, verify_inclusion
from hallmark_tlog.note import parse_note
from hallmark_tlog.prove import consistency_proof, inclusion_proof, root_at
from hallmark_tlog.reader import TileReader, entries, read_bundle
from hallmark_tlog.tiles import Tile, parse_tile_path, partial_tiles, tile_at, tiles_of
from hallmark_tlog.verify import Require, open_checkpoint
from hallmark_tlog.vkey import KeyType, VerifierKey, parse_vkey


def read_key(log: Path) -> VerifierKey:
    return parse_vkey((log / "log.vkey").read_text(encoding="utf-8").removesuffix("\n"))


def signed_checkpoints(log: Path) -> list[Path]:
    found = sorted({*log.glob("checkpoint.*"), *log.glob("checkpoints/checkpoint.*"), log / "checkpoint"})
    assert len(found) > 1
    return found


def with_derived_leaf_tiles(log: Path, size: int) -> Fetch:
    """tessera-66000 comes without its full level-0 tiles: their hashes follow from the bundles."""
    folder = folder_fetcher(log)

    def fetch(path: str) -> bytes:
        try:
            return folder(path)
        except MissingResource:
            tile = parse_tile_path(path)
            if tile.level != 0 or not tile.is_full:
                raise
            return b"".join(map(leaf_hash, read_bundle(folder, tile.index, size)))

    return fetch


def fetcher_at(log: Path, checkpoint: Path, size: int) -> Fetch:
    files = with_derived_leaf_tiles(log, size)
    return lambda path: checkpoint.read_bytes() if path == "checkpoint" else files(path)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test that asks for `log` runs once for each log folder among the vectors."""
    if "log" in metafunc.fixturenames:
        folder = vectors_folder(metafunc.config)
        logs = sorted(path.parent for path in folder.glob("tlog/tiles/*/log.vkey")) if folder else []
        none = pytest.param(None, marks=pytest.mark.skip(reason="give --vectors DIR with tlog/tiles"))
        metafunc.parametrize("log", logs or [none], ids=lambda log: log and log.name)


def test_every_published_size_audits(log: Path) -> None:
    key = read_key(log)
    previous: Checkpoint | None = None
    opened = [(open_checkpoint(path.read_bytes(), [key]).checkpoint, path) for path in signed_checkpoints(log)]
    for checkpoint, path in sorted(opened, key=lambda pair: pair[0].size):
        fetch = fetcher_at(log, path, checkpoint.size)
        if checkpoint.size < 60_000 or path.name == "checkpoint":
            report = audit(fetch, [key], origin=key.name, previous=previous, require=Require.ALL)
            assert report.checkpoint == checkpoint
            assert report.inclusions_verified == checkpoint.size
            assert report.consistent_from == (previous and previous.size)
        previous = checkpoint


def test_proofs_between_published_sizes(log: Path) -> None:
    key = read_key(log)
    seen = sorted(
        {open_checkpoint(path.read_bytes(), [key]).checkpoint for path in signed_checkpoints(log)},
        key=lambda checkpoint: checkpoint.size,
    )
    for new in seen:
        reader = TileReader(with_derived_leaf_tiles(log, new.size), new.size)
        for old in (checkpoint for checkpoint in seen if checkpoint.size <= new.size):
            proof = consistency_proof(old.size, new.size, reader.read_hash)
            verify_consistency(old.size, old.root, new.size, new.root, proof)
        for index in {0, new.size // 2, new.size - 1} if new.size else ():
            proof = inclusion_proof(index, new.size, reader.read_hash)
            (entry,) = (next(entries(folder_fetcher(log), new.size, index)),)
            verify_inclusion(index, new.size, leaf_hash(entry), proof, new.root)


def rebuild(items: list[bytes]) -> Callable[[Tile], bytes]:
    """All files of a log of these entries, written with this library's own parts."""
    tree, levels = CompactRange(), [list(map(leaf_hash, items))]
    for node in tree.extend(levels[0]):
        level = node.level // 8
        levels += [[] for _ in range(level + 1 - len(levels))]
        levels[level].append(node.hash)

    def write(tile: Tile) -> bytes:
        place = slice(tile.index * 256, tile.index * 256 + tile.width)
        return format_bundle(items[place]) if tile.level is None else b"".join(levels[tile.level][place])

    return write


def test_the_files_written_again_are_the_same_bytes(log: Path) -> None:
    checkpoint = open_checkpoint((log / "checkpoint").read_bytes(), [read_key(log)]).checkpoint
    items = list(entries(folder_fetcher(log), checkpoint.size))
    write = rebuild(items)
    published = [path for path in (log / "tile").rglob("*") if path.is_file()]
    assert published
    for path in published:
        tile = parse_tile_path(path.relative_to(log).as_posix())
        assert write(tile) == path.read_bytes(), tile.path
    assert root_from_leaves(map(leaf_hash, items)) == checkpoint.root


def test_the_files_of_a_size_are_those_tessera_wrote(log: Path) -> None:
    key = read_key(log)
    left_out = log.name == "tessera-66000"
    for path in signed_checkpoints(log):
        size = open_checkpoint(path.read_bytes(), [key]).checkpoint.size
        for tile in (*tiles_of(size), *partial_tiles(size)):
            if not (left_out and tile.level == 0 and tile.is_full):
                assert (log / tile.path).is_file() or (log / tile.full.path).is_file(), tile.path


def test_one_flipped_bit_anywhere_is_found(tlog: Callable[[str], Path]) -> None:
    log = tlog("tiles/tessera-600")
    key, folder = read_key(log), folder_fetcher(log)
    for tile in (*tiles_of(600), *(tile_at(None, index, 600) for index in range(3))):
        original = folder(tile.path)
        altered = original[:-1] + bytes([original[-1] ^ 1])
        with pytest.raises(TamperedError):
            audit(
                lambda path, tile=tile, altered=altered: altered if path == tile.path else folder(path),
                [key],
                origin=key.name,
            )


def test_a_mirror_of_a_static_ct_log(tlog: Callable[[str], Path]) -> None:
    """The log signs as CT logs do (0x05, not ours): the mirror's cosignature is what a reader can trust."""
    mirror = tlog("tiles/skylight-mirror/mirror")
    (vkey,) = json.loads((mirror / "mirror.v0.json").read_text(encoding="utf-8"))["verifier_keys"]
    (log,) = (path.parent for path in mirror.glob("*/checkpoint"))
    note = (log / "checkpoint").read_bytes()
    opened = open_checkpoint(note, [parse_vkey(vkey)], require=Require.ANY)
    assert [signer.type for signer in opened.cosigners] == [KeyType.ED25519_COSIGNATURE]
    checkpoint = opened.checkpoint
    reader = TileReader(folder_fetcher(log), checkpoint.size)
    assert root_at(checkpoint.size, reader.read_hash) == checkpoint.root
    with pytest.raises(TamperedError):  # its bundles are a line of text, with gzip
        list(entries(folder_fetcher(log), checkpoint.size))
    with pytest.raises(NotSigned):
        open_checkpoint(note, [parse_vkey(vkey)])


def test_what_a_mirror_must_not_pass_on(tlog: Callable[[str], Path], refusal: Callable[..., Exception | None]) -> None:
    """A file that is no checkpoint, and a checkpoint that only strangers signed: the log as CT logs do, a witness."""
    folder = tlog("tiles/skylight-mirror")
    (vkey,) = json.loads((folder / "mirror/mirror.v0.json").read_text(encoding="utf-8"))["verifier_keys"]
    assert refusal(FormatError, open_checkpoint, (folder / "mirror/checkpoint").read_bytes(), [parse_vkey(vkey)])
    for path in folder.glob("*/checkpoint"):
        if path.parent.name != "mirror":
            checkpoint = parse_checkpoint(parse_note(path.read_bytes()).text)
            assert sha256(checkpoint.origin.encode()).hexdigest() == path.parent.name
            assert refusal(NotSigned, open_checkpoint, path.read_bytes(), [parse_vkey(vkey)])
