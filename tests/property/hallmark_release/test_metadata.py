"""A repository whose metadata says anything at all: refused by an error of ours, and nothing false is believed."""

import functools
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from hallmark_release import FolderSource, verify_release
from hallmark_release.errors import ReleaseError
from hallmark_release.source import checked_location
from property.hallmark_release.test_parsers import JSON, paths_into, replaced
from unit.hallmark_release.release_world import MODEL, NOW, Publisher

FILES = ("metadata/timestamp.json", "metadata/2.snapshot.json", "metadata/2.targets.json", "metadata/2.root.json")


@functools.cache
def publisher() -> Publisher:
    made = Publisher(Path(tempfile.mkdtemp(prefix="releases-")))
    made.publish({"a": b"weights"})
    return made


class Altered:
    """The repository with other bytes in one file."""

    def __init__(self, path: str, data: bytes) -> None:
        self._path, self._data = path, data
        self._rest = FolderSource(publisher().served)

    def stream(self, path: str, *, start: int = 0) -> Iterator[bytes]:
        if checked_location(path) == self._path:
            return iter([self._data[start:]])
        return self._rest.stream(path, start=start)


def current(path: str) -> bytes:
    place = publisher().served / path
    return (place if place.is_file() else publisher().served / "metadata/1.root.json").read_bytes()


def check(path: str, data: bytes) -> None:
    try:
        release = verify_release(Altered(path, data), MODEL, publisher().trust, now=NOW)
    except ReleaseError:
        return
    # Only what is not signed may differ: the spelling of a timestamp, an unknown key's signature.
    assert (
        release.statement
        == verify_release(FolderSource(publisher().served), MODEL, publisher().trust, now=NOW).statement
    )


@given(st.sampled_from(FILES), st.data())
def test_one_member_changed(path: str, data: st.DataObject) -> None:
    document = json.loads(current(path))
    place = data.draw(st.sampled_from(paths_into(document)))
    check(path, json.dumps(replaced(document, place, data.draw(JSON))).encode())


@given(st.sampled_from(FILES), st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_anything(path: str, data: bytes) -> None:
    check(path, data)
