"""Servers, folders and metadata that mean harm: endless, slow, huge, or with terminal escapes in what they say."""

import os
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from hallmark_release import FolderSource, HttpSource, Role, open_source, verify_bundle, verify_release
from hallmark_release.client import INDEX_NAME
from hallmark_release.errors import (
    FormatInvalid,
    MetadataInvalid,
    ReleaseError,
    ReleaseMismatch,
    RepositoryUnusable,
    SourceFailed,
    SourceMissing,
    SourceTooSlow,
)
from hallmark_release.metadata_files import METADATA_BYTES_MAX
from hallmark_release.repository_state import RepositoryState
from unit.hallmark_release.release_world import MODEL, NOW, Publisher, release_files
from unit.hallmark_release.test_source import answering, serving


@contextmanager
def sending(portions: Iterator[bytes], *, pause: float = 0) -> Iterator[HttpSource]:
    """A server that answers with these bytes, whatever it is asked."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            with suppress(OSError):
                connection, _ = listening.accept()
                with connection:
                    connection.recv(65536)
                    for portion in portions:
                        connection.sendall(portion)
                        time.sleep(pause)

        thread = threading.Thread(target=answer)
        thread.start()
        yield HttpSource(f"http://127.0.0.1:{listening.getsockname()[1]}", timeout_seconds=0.3)
        thread.join(5)
        assert not thread.is_alive(), "the client let go of the connection"


def endless(data: bytes) -> Iterator[bytes]:
    while True:
        yield data


def byte_by_byte(data: bytes) -> Iterator[bytes]:
    for byte in data:
        yield bytes([byte])


@pytest.mark.parametrize(
    "portions",
    [endless(b"HTTP/1.1 100 Continue\r\n\r\n"), byte_by_byte(b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 1000)],
    ids=["continue-for-ever", "a-byte-of-the-head-now-and-then"],
)
def test_an_answer_that_never_begins(portions: Iterator[bytes]) -> None:
    with sending(portions, pause=0.01) as source:
        began = time.monotonic()
        with pytest.raises(SourceTooSlow, match="no answer"):
            list(source.stream("a"))
        assert time.monotonic() - began < 3


def test_what_a_server_says_steers_no_terminal() -> None:
    nonsense = iter([b"\x1b]0;owned\x07\x1b[2J nonsense\r\n\r\n"])
    with sending(nonsense) as source, pytest.raises(SourceFailed) as refused:
        list(source.stream("a"))
    assert str(refused.value).isprintable()
    assert "\\x1b[2J" in str(refused.value)
    assert str(ReleaseError("a\nb\u202ec é")) == "a\\nb\\u202ec é"


def test_a_bucket_that_keeps_its_list_to_itself() -> None:
    with serving(answering(403, b"")) as source, pytest.raises(SourceMissing):
        list(source.stream("metadata/2.root.json"))


@pytest.mark.parametrize(
    "place",
    [
        "https://user:secret@models.example",
        "https://user@models.example",
        "https://models.example:99999",
        "https://models.example:secret",
        "https://[models.example",
        "https://models.example/?token=secret",
        "https://models.example/#secret",
        "https://models.example/a b",
        "https://models.example/\r\nHost: other",
        "https://",
        "file:///etc/passwd",
        "ftp://models.example",
    ],
)
def test_urls_that_are_none_of_a_repository(place: str) -> None:
    with pytest.raises(SourceFailed) as refused:
        open_source(place)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_file_in_a_folder(tmp_path: Path, kind: str) -> None:
    match kind:
        case "pipe":
            os.mkfifo(tmp_path / "a")
        case "device":
            (tmp_path / "a").symlink_to("/dev/zero")
        case _:
            (tmp_path / "a").mkdir()
    with pytest.raises(SourceFailed):
        next(FolderSource(tmp_path).stream("a"))


class Growing:
    """The repository, but one file never ends."""

    def __init__(self, folder: Path, path: str) -> None:
        self._rest, self._path, self.sent = FolderSource(folder), path, 0

    def stream(self, path: str, *, start: int = 0) -> Iterator[bytes]:
        if path != self._path:
            yield from self._rest.stream(path, start=start)
            return
        while True:
            self.sent += 65_536
            yield bytes(65_536)


def test_metadata_of_any_length_by_who_has_the_timestamps_keys(publisher: Publisher) -> None:
    publisher.publish({"a": b"b"})
    state = RepositoryState.load(publisher.served)
    state.signed(Role.TIMESTAMP).snapshot_meta.length = 10**15
    state.write(publisher.served, publisher.signer, changed={Role.TIMESTAMP}, now=NOW)
    for path in ("metadata/2.snapshot.json", "metadata/timestamp.json", "metadata/2.root.json"):
        source = Growing(publisher.served, path)
        with pytest.raises(MetadataInvalid):
            verify_release(source, MODEL, publisher.trust, now=NOW)
        assert source.sent <= METADATA_BYTES_MAX + 65_536


def test_a_state_folder_that_can_not_be_written(publisher: Publisher, tmp_path: Path) -> None:
    publisher.publish({"a": b"b"})
    source = FolderSource(publisher.served)
    for name in ("", "metadata", "targets", "metadata/root.json", "metadata/root_history"):
        state = tmp_path / f"state-{name.replace('/', '-')}"
        blocked = state / name
        blocked.parent.mkdir(parents=True, exist_ok=True)
        if name == "metadata/root.json":
            blocked.mkdir()
        else:
            blocked.write_bytes(b"a file")
        with pytest.raises(RepositoryUnusable):
            verify_release(source, MODEL, publisher.trust, now=NOW, state=state)


def test_big_and_unsigned_is_not_even_parsed(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    """40 MB of empty lists are a GB of objects."""
    lists = b"[" + b"[]," * 1_000_000 + b"[]]"
    tracemalloc.start()
    with pytest.raises(FormatInvalid, match="more in it"):
        verify_bundle(lists, publisher.trust.ecdsa)
    files = release_files(publisher.build({"a": b"b"}))
    publisher.list_anything(files | {INDEX_NAME: lists})
    monkeypatch.setattr("hallmark_release.verify.parse_index", lambda _: pytest.fail("the log does not know it"))
    with pytest.raises(ReleaseMismatch, match="index_sha256"):
        verify_release(FolderSource(publisher.served), MODEL, publisher.trust, now=NOW)
    assert tracemalloc.get_traced_memory()[1] < 10 * len(lists)
    tracemalloc.stop()
