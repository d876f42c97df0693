"""Which root a publisher may believe: one that follows, root by root, from the one that it was given (TUF section 5.3).

A root says by itself only that somebody made it. Who can write into a repository's folder could put a root of their own
there, beside metadata of their own, and wait until the publisher's next `refresh` signs all of it with the real keys.
"""

from pathlib import Path
from typing import Any

from tuf.api import exceptions as tuf
from tuf.api.metadata import Metadata, Root  # type: ignore[attr-defined]

from hallmark_release.errors import RepositoryUnusable
from hallmark_release.metadata_files import newest_root, read_metadata


def follow_roots(folder: Path, pinned: bytes | None) -> list[Metadata[Any]]:
    """The newest root of the folder, and the one before it where there is one.

    pinned: a root.json of this repository from a safe place. None: the first root of the folder is believed.
    Raises RepositoryUnusable, python-tuf's RepositoryError.
    """
    newest, _ = newest_root(folder)
    first = read_root(read_metadata(folder, "1.root.json") if pinned is None else pinned)
    if newest < first.signed.version:
        raise RepositoryUnusable(
            f"the newest root of {folder} is {newest}, older than the trusted {first.signed.version}",
            advice="Take the newest copy of the folder",
        )
    chain = [first]
    if first.signed.version > 1:
        before = read_root(read_metadata(folder, f"{first.signed.version - 1}.root.json"))
        _check_follows(before, first)
        chain.insert(0, before)
    for version in range(first.signed.version + 1, newest + 1):
        chain.append(read_root(read_metadata(folder, f"{version}.root.json")))
        _check_follows(*chain[-2:])
    return chain[:-3:-1]


def read_root(data: bytes) -> Metadata[Any]:
    """Signed by its own keys, which proves nothing yet. Raises python-tuf's RepositoryError."""
    root: Metadata[Any] = Metadata[Root].from_bytes(data)
    root.signed.verify_delegate(Root.type, root.signed_bytes, root.signatures)
    return root


def _check_follows(before: Metadata[Any], after: Metadata[Any]) -> None:
    if after.signed.version != before.signed.version + 1:
        raise tuf.BadVersionNumberError(f"root {after.signed.version} stands where another one should")
    before.signed.verify_delegate(Root.type, after.signed_bytes, after.signatures)
