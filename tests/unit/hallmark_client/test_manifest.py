import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hallmark_client import ManifestInvalid, ManifestMismatch, build_manifest, verify_manifest
from hallmark_client.manifest import parse_manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "model"
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "weights.bin").write_bytes(b"weights")
    (root / "sub" / "config.json").write_bytes(b"{}")
    (root / "sub" / "deep" / "ä.txt").write_bytes(b"")
    (root / "latest").symlink_to("weights.bin")
    return root


def test_a_manifest_is_canonical_json_of_every_file(folder: Path) -> None:
    data = build_manifest(folder)
    content = json.loads(data)
    assert content["format"] == "hallmark-manifest/v1"
    assert [file["path"] for file in content["files"]] == ["sub/config.json", "sub/deep/ä.txt", "weights.bin"]
    weights = content["files"][2]
    assert weights == {"path": "weights.bin", "size": 7, "sha256": hashlib.sha256(b"weights").hexdigest()}
    assert content["links"] == [{"path": "latest", "target": "weights.bin"}]
    assert data == json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def test_the_same_folder_has_the_same_manifest_anywhere(folder: Path, tmp_path: Path) -> None:
    data = build_manifest(folder)
    moved = tmp_path / "elsewhere"
    folder.rename(moved)
    assert build_manifest(str(moved)) == data
    assert verify_manifest(data, moved).files == 3


def test_an_unchanged_folder_is_reported(folder: Path) -> None:
    report = verify_manifest(build_manifest(folder), folder)
    assert (report.files, report.links, report.total_bytes) == (3, 1, 9)


def test_every_kind_of_change_is_named(folder: Path) -> None:
    data = build_manifest(folder)
    (folder / "weights.bin").write_bytes(b"Weights")
    (folder / "sub" / "config.json").unlink()
    (folder / "sub" / "new").write_bytes(b"")
    (folder / "latest").unlink()
    (folder / "latest").symlink_to("sub/new")
    with pytest.raises(ManifestMismatch) as refused:
        verify_manifest(data, folder)
    error = refused.value
    assert (error.changed, error.missing, error.extra) == (
        ("latest", "weights.bin"),
        ("sub/config.json",),
        ("sub/new",),
    )
    assert error.reason == "MANIFEST_MISMATCH"
    for path in ("weights.bin", "sub/config.json", "sub/new"):
        assert path in error.message


def test_a_file_and_a_link_are_not_the_same(folder: Path) -> None:
    data = build_manifest(folder)
    (folder / "latest").unlink()
    (folder / "latest").write_bytes(b"weights")
    (folder / "weights.bin").unlink()
    (folder / "weights.bin").symlink_to("latest")
    with pytest.raises(ManifestMismatch) as refused:
        verify_manifest(data, folder)
    assert refused.value.changed == ("latest", "weights.bin")


def test_what_is_left_out_is_part_of_the_manifest(folder: Path) -> None:
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("x")
    (folder / "sub" / "a.pyc").write_text("x")
    data = build_manifest(folder, exclude=[".git", "*.pyc", "sub/deep"])
    assert [file["path"] for file in json.loads(data)["files"]] == ["sub/config.json", "weights.bin"]
    (folder / ".git" / "HEAD").write_text("changed")
    assert verify_manifest(data, folder).exclude == ("*.pyc", ".git", "sub/deep")
    (folder / "sub" / "extra").write_text("x")
    with pytest.raises(ManifestMismatch):
        verify_manifest(data, folder)


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "sub/../../outside", "sub/here/../outside", ".."])
def test_a_link_out_of_the_folder_is_refused(folder: Path, target: str) -> None:
    (folder.parent / "outside").write_text("secret")
    (folder / "sub" / "here").symlink_to("..")  # inside; but what lies above it is outside
    (folder / "link").symlink_to(target)
    with pytest.raises(ManifestInvalid, match="'link' is a symbolic link that leaves the folder"):
        build_manifest(folder)


def test_a_link_out_of_the_folder_is_not_followed_when_verifying(folder: Path) -> None:
    data = build_manifest(folder)
    outside = folder.parent / "weights.bin"
    outside.write_bytes(b"weights")
    (folder / "weights.bin").unlink()
    (folder / "weights.bin").symlink_to(outside)
    (folder / "sub2").symlink_to(folder.parent)
    with pytest.raises(ManifestMismatch) as refused:
        verify_manifest(data, folder)
    assert (refused.value.changed, refused.value.extra) == (("weights.bin",), ("sub2",))


def test_a_loop_of_links_ends(folder: Path) -> None:
    (folder / "sub" / "loop").symlink_to("..")
    assert verify_manifest(build_manifest(folder), folder).links == 2


def test_a_pipe_is_neither_described_nor_waited_for(folder: Path) -> None:
    data = build_manifest(folder)
    os.mkfifo(folder / "pipe")
    with pytest.raises(ManifestInvalid, match="pipe"):
        build_manifest(folder)
    with pytest.raises(ManifestMismatch) as refused:
        verify_manifest(data, folder)
    assert refused.value.extra == ("pipe",)


def test_a_name_that_is_no_text_is_refused_and_reported(folder: Path) -> None:
    data = build_manifest(folder)
    (folder / os.fsdecode(b"bad\xff")).write_bytes(b"")
    with pytest.raises(ManifestInvalid, match="UTF-8"):
        build_manifest(folder)
    with pytest.raises(ManifestMismatch) as refused:
        verify_manifest(data, folder)
    refused.value.message.encode()
    refused.value.extra[0].encode()


def test_a_message_can_not_write_to_the_terminal(folder: Path) -> None:
    data = build_manifest(folder)
    (folder / "a\x1b[2J\nb").write_bytes(b"")
    with pytest.raises(ManifestMismatch) as refused:
        verify_manifest(data, folder)
    assert refused.value.message.isprintable()


def test_many_differences_do_not_make_an_endless_sentence(folder: Path) -> None:
    data = build_manifest(folder)
    for number in range(100):
        (folder / f"extra{number:03}").write_bytes(b"")
    with pytest.raises(ManifestMismatch) as refused:
        verify_manifest(data, folder)
    assert len(refused.value.extra) == 100
    assert len(refused.value.message) < 300


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestInvalid, match="nowhere"):
        build_manifest(tmp_path / "nowhere")


def test_an_empty_folder_has_a_manifest(tmp_path: Path) -> None:
    assert verify_manifest(build_manifest(tmp_path), tmp_path).files == 0


_FILE = {"path": "a", "sha256": "0" * 64, "size": 1}
_GOOD = {"exclude": [], "files": [_FILE], "format": "hallmark-manifest/v1", "links": []}


def encode(content: object) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def test_the_good_one_is_good() -> None:
    assert parse_manifest(encode(_GOOD)).files[0].path == "a"


@pytest.mark.parametrize(
    "change",
    [
        {"format": "hallmark-manifest/v2"},
        {"extra": 1},
        {"exclude": "ab"},
        {"exclude": [1]},
        {"files": None},
        *(
            {"files": [{**_FILE, "path": path}]}
            for path in ("", ".", "..", "/a", "a/", "a//b", "./a", "a/../b", "a\0", 1)
        ),
        *({"files": [{**_FILE, "sha256": digest}]} for digest in ("0" * 63, "G" * 64, "A" * 64, 1, None)),
        *({"files": [{**_FILE, "size": size}]} for size in (-1, 1.0, True, "1", None)),
        {"files": [{**_FILE, "mode": 1}]},
        {"files": [{"path": "a"}]},
        {"files": [_FILE, _FILE]},
        {"files": [{**_FILE, "path": "b"}, _FILE]},
        {"links": [{"path": "a", "target": "b"}]},
        {"links": [{"path": "b", "target": 1}]},
    ],
    ids=str,
)
def test_a_manifest_has_one_form(change: dict) -> None:
    with pytest.raises(ManifestInvalid) as refused:
        parse_manifest(encode({**_GOOD, **change}))
    assert refused.value.reason == "MANIFEST_MALFORMED"


def test_the_bytes_have_one_form_too() -> None:
    for data in (
        json.dumps(_GOOD).encode(),
        encode(_GOOD) + b"\n",
        encode(_GOOD).replace(b'"links":[]', b'"links":[],"links":[]'),
        encode({**_GOOD, "exclude": ["ä"]}).replace("ä".encode(), b"\\u00e4"),
    ):
        with pytest.raises(ManifestInvalid):
            parse_manifest(data)


@given(st.binary() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(encode))
def test_any_bytes_raise_the_packages_own_error_only(data: bytes) -> None:
    with pytest.raises(ManifestInvalid):
        parse_manifest(data)


def test_depth_is_bounded() -> None:
    with pytest.raises(ManifestInvalid):
        parse_manifest(b"[" * 1_000_000)
