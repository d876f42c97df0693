import threading

import pytest

from hallmark_tlog.ahead import fetching_ahead, paths_of
from hallmark_tlog.errors import MissingResource


def test_the_paths_are_those_of_bundles_and_leaf_tiles_in_order() -> None:
    assert list(paths_of(300, 600)) == ["tile/entries/001", "tile/0/001", "tile/entries/002.p/88", "tile/0/002.p/88"]
    assert not list(paths_of(512, 512))


def test_one_connection_is_the_fetch_itself() -> None:
    def fetch(path: str) -> bytes:
        return path.encode()

    with fetching_ahead(fetch, ["a"], connections=1) as ahead:
        assert ahead is fetch


def test_files_are_there_before_they_are_asked_for() -> None:
    """Two requests are under way at once before the first one is asked for: each waits for the other."""
    both = threading.Barrier(2, timeout=10)

    def fetch(path: str) -> bytes:
        if path in "ab":
            both.wait()
        return path.encode()

    with fetching_ahead(fetch, ["a", "b"], connections=2) as ahead:
        assert [ahead("a"), ahead("b"), ahead("c")] == [b"a", b"b", b"c"]


def test_no_more_than_four_files_a_connection_are_read_ahead() -> None:
    begun: list[str] = []

    def fetch(path: str) -> bytes:
        begun.append(path)
        return b""

    paths = [str(number) for number in range(100)]
    with fetching_ahead(fetch, paths, connections=2) as ahead:
        for asked, path in enumerate(paths):
            assert len(begun) <= asked + 8
            ahead(path)
    assert sorted(begun) == sorted(paths)


def test_an_error_is_raised_by_who_asks() -> None:
    def fetch(path: str) -> bytes:
        raise MissingResource(path)

    with (
        fetching_ahead(fetch, ["tile/0/000"], connections=2) as ahead,
        pytest.raises(MissingResource, match="tile/0/000"),
    ):
        ahead("tile/0/000")
