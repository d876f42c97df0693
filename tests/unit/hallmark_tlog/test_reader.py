import pytest

from hallmark_tlog.errors import FormatError, MissingResource, TamperedError
from hallmark_tlog.reader import TileCache, TileReader, entries, read_bundle
from unit.hallmark_tlog.virtual_log import VirtualLog


@pytest.fixture(scope="module")
def log() -> VirtualLog:
    return VirtualLog.of_size(70_000)


def test_every_kind_of_subtree(log: VirtualLog) -> None:
    reader = TileReader(log.fetch, 70_000)
    places = [(0, 0), (0, 69_999), (3, 8_749), (7, 0), (8, 272), (8, 255), (9, 135), (15, 1), (16, 0)]
    for level, index in places:
        assert reader.read_hash(level, index) == log.read_hash(level, index)


@pytest.mark.parametrize(
    ("level", "index"), [(0, 70_000), (4, 4_375), (16, 1), (17, 0), (9, 136), (-1, 0), (0, -1), (200, 0)]
)
def test_subtrees_that_are_not_complete(log: VirtualLog, level: int, index: int) -> None:
    with pytest.raises(FormatError):
        TileReader(log.fetch, 70_000).read_hash(level, index)


def test_tiles_are_fetched_once_and_shared(log: VirtualLog) -> None:
    fetched: list[str] = []

    def fetch(path: str) -> bytes:
        fetched.append(path)
        return log.fetch(path)

    cache = TileCache()
    for index in range(512):
        TileReader(fetch, 70_000, cache).read_hash(0, index)
    assert fetched == ["tile/0/000", "tile/0/001"]


def test_the_cache_is_bounded(log: VirtualLog) -> None:
    fetched: list[str] = []

    def fetch(path: str) -> bytes:
        fetched.append(path)
        return log.fetch(path)

    reader = TileReader(fetch, 70_000, TileCache(max_tiles=2))
    for tile in (0, 1, 0, 2, 0, 1):
        reader.read_hash(0, tile * 256)
    assert [path[-1] for path in fetched] == ["0", "1", "2", "1"]


def test_a_full_tile_serves_where_its_partial_is_gone() -> None:
    log = VirtualLog.of_size(600)
    reader = TileReader(log.fetch, 300)
    assert "tile/0/001.p/44" not in log.files
    assert reader.hashes(0, 1) == log.leaves[256:300]
    assert read_bundle(log.fetch, 1, 300) == log.entries[256:300]
    with pytest.raises(FormatError):
        reader.read_hash(0, 300)


@pytest.mark.parametrize(
    ("path", "level", "index"), [("tile/0/000", 0, 0), ("tile/0/002.p/88", 0, 599), ("tile/1/000.p/2", 8, 0)]
)
def test_tiles_have_one_length(path: str, level: int, index: int) -> None:
    log = VirtualLog.of_size(600)
    data = log.files[path]
    for wrong in (b"", data[:-1], data[:-32], data + bytes(32)):
        log.files[path] = wrong
        with pytest.raises(TamperedError) as caught:
            TileReader(log.fetch, 600).read_hash(level, index)
        assert caught.value.path == path


def test_a_missing_file_is_named_as_the_tree_needs_it() -> None:
    log = VirtualLog.of_size(300)
    del log.files["tile/0/001.p/44"]
    with pytest.raises(MissingResource) as caught:
        TileReader(log.fetch, 300).read_hash(0, 299)
    assert caught.value.path == "tile/0/001.p/44"


@pytest.mark.parametrize("start", [0, 1, 255, 256, 257, 599, 600, 700])
def test_entries_from_anywhere(start: int) -> None:
    log = VirtualLog.of_size(600)
    assert list(entries(log.fetch, 600, start)) == log.entries[start:]
    assert list(entries(log.fetch, 300, start)) == log.entries[start:300]


def test_a_malformed_bundle_is_named() -> None:
    log = VirtualLog.of_size(300)
    log.files["tile/entries/001.p/44"] += b"x"
    with pytest.raises(TamperedError) as caught:
        list(entries(log.fetch, 300))
    assert caught.value.path == "tile/entries/001.p/44"
