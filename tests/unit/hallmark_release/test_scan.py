import os
from pathlib import Path

import pytest

from hallmark_release import Statement, verify_folder
from hallmark_release.errors import FilesMismatch, FolderUnusable, FormatInvalid
from hallmark_release.folder import hash_folder
from hallmark_release.names import meeting_paths, why_not_path
from hallmark_release.scan import scan_folder
from hallmark_release.statement import SHARD_SIZE
from unit.hallmark_release.release_world import Publisher


def write(folder: Path, path: str, data: bytes = b"x") -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(data)


def test_the_order_is_folder_by_folder(tmp_path: Path) -> None:
    for path in ("sub.x", "sub/x", "sub-1", "a", ".git/config", ".hidden", "Z"):
        write(tmp_path, path)
    assert [file.path for file in scan_folder(tmp_path)] == [".hidden", "Z", "a", "sub/x", "sub-1", "sub.x"]
    assert [file.path for file in scan_folder(tmp_path, ("sub", ".git"))] == [".hidden", "Z", "a", "sub-1", "sub.x"]


@pytest.mark.parametrize(
    "path",
    ["a:b", "a\\b", "a\nb", "trailing.", "trailing /x", "e\u0301", "x" * 256, "\u2028", "a/" * 33 + "a"],
    ids=["colon", "backslash", "newline", "dot", "space", "decomposed", "long", "line-separator", "deep"],
)
def test_names_that_no_release_has(path: str) -> None:
    assert why_not_path(path)


@pytest.mark.parametrize(
    "path", ["a?", "a*", 'a"', "a<b", "a|b", "CON", "x/nul.txt", "Com1.bin", "lpt\u00b9", "aux .x"]
)
def test_names_that_windows_has_not(path: str) -> None:
    assert why_not_path(path)


@pytest.mark.parametrize("hidden", ["\u200b", "\u202e", "\u2066", "\ufeff", "\u00ad", "\ufe0f", "\U000e0041"])
def test_characters_that_are_not_seen(hidden: str) -> None:
    """HFS+ takes .g<hidden>it for .git; a turned-round name shows another extension than it has."""
    assert why_not_path(f"a{hidden}b")


@pytest.mark.parametrize("path", ["a", "a/b", ".hidden", "\u00e9", "a b", "a'&", "x" * 255, "console", "nul-7"])
def test_names_that_a_release_may_have(path: str) -> None:
    assert why_not_path(path) is None


def test_names_that_meet() -> None:
    assert meeting_paths(["a", "B", "b"]) == ("B", "b")
    assert meeting_paths(["Model/x", "model/y"])
    assert meeting_paths(["a/b", "A"])
    assert meeting_paths(["stra\u00dfe", "STRASSE"])
    assert meeting_paths(["\u1fb4", "\u03ac\u03b9"]), "one letter of Greek, twice"
    assert meeting_paths(["a/b", "a/c", "b"]) is None


def test_what_is_refused(tmp_path: Path) -> None:
    def refused(make, match: str) -> None:
        folder = tmp_path / match.replace(" ", "-")
        write(folder, "good")
        make(folder)
        with pytest.raises(FolderUnusable, match=match):
            scan_folder(folder)

    refused(lambda folder: (folder / "link").symlink_to("good"), "symbolic link")
    refused(lambda folder: os.mkfifo(folder / "pipe"), "neither a file nor a folder")
    refused(lambda folder: write(folder, "nothing", b""), "is empty")
    refused(lambda folder: write(folder, "GOOD"), "would meet")
    refused(lambda folder: write(folder, "a:b"), "can not be released")
    refused(lambda folder: (folder / "good").unlink(), "1 to 10000 files")
    with pytest.raises(FolderUnusable, match="is not a folder"):
        scan_folder(tmp_path / "nowhere")


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "good").write_bytes(b"x")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")).write_bytes(b"x")
    with pytest.raises(FolderUnusable, match="not UTF-8"):
        scan_folder(tmp_path)


def test_a_folder_against_its_statement(publisher: Publisher, tmp_path: Path) -> None:
    files = {"a": b"1" * SHARD_SIZE, "b/c": b"2" * (SHARD_SIZE + 1), "d": b"3"}
    statement = publisher.build(files).statement
    folder = tmp_path / "copy"
    for path, data in files.items():
        write(folder, path, data)
    seen: list[int] = []
    assert verify_folder(folder, statement, seen.append).files == 3
    assert sum(seen) == sum(map(len, files.values()))
    write(folder, "b/c", b"2" * SHARD_SIZE + b"4")
    write(folder, "extra")
    (folder / "d").unlink()
    with pytest.raises(FilesMismatch) as caught:
        verify_folder(folder, statement)
    assert (caught.value.changed, caught.value.missing, caught.value.extra) == (("b/c",), ("d",), ("extra",))


def test_a_file_that_grows_while_it_is_read(tmp_path: Path) -> None:
    write(tmp_path, "a", b"1234")
    found = scan_folder(tmp_path)
    write(tmp_path, "a", b"12345")
    with pytest.raises(FolderUnusable, match="changes"):
        hash_folder(found)
    write(tmp_path, "a", b"12")
    with pytest.raises(FolderUnusable, match="changes"):
        hash_folder(found)


def test_a_statement_that_no_folder_can_be(publisher: Publisher) -> None:
    statement = publisher.build({"a": b"1", "b": b"2"}).statement
    with pytest.raises(FormatInvalid):
        Statement(statement.release, statement.files[::-1])
    with pytest.raises(FormatInvalid):
        Statement(statement.release, ())
