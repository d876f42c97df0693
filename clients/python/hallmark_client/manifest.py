"""Folder manifests: what is signed when a folder is signed.

A manifest is canonical JSON (RFC 8785 with integers only) in UTF-8, without white space:
{"exclude":[pattern],"files":[{"path","sha256","size"}],"format":"hallmark-manifest/v1","links":[{"path","target"}]}
Every regular file stands there with its SHA-256 (hex) and size in bytes, every symbolic link with its target; a link is
never followed, and empty folders do not count. Paths are relative, POSIX, sorted by code point. The patterns of what
was left out are part of what is signed, so a verifier leaves out the same and nothing more.
"""

import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any, Final

from hallmark_client.errors import ManifestInvalid, ManifestMismatch
from hallmark_client.folder import Entry, File, Link, Other, scan
from hallmark_client.model.result import Result

FORMAT: Final = "hallmark-manifest/v1"
MAX_MANIFEST_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest(Result):
    """A parsed manifest. exclude: patterns that were left out, matched as in `build_manifest`."""

    files: tuple[File, ...]
    links: tuple[Link, ...]
    exclude: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestReport(Result):
    """Proved: the folder is exactly what the manifest says. total_bytes: of all files together."""

    files: int
    links: int
    total_bytes: int
    exclude: tuple[str, ...]


def build_manifest(folder: str | os.PathLike[str], *, exclude: Sequence[str] = ()) -> bytes:
    """Describe a folder, as the bytes to sign.

    exclude: shell patterns (fnmatch, case-sensitive), each against a name at any depth and against the relative path;
    an excluded folder is not entered. Raises ManifestInvalid, which names the file, for a symbolic link that leaves the
    folder, for what is neither file, folder nor link, for a name that is not UTF-8, and for what can not be read.
    """
    patterns = tuple(sorted(set(exclude)))
    files: list[File] = []
    links: list[Link] = []
    for entry in scan(folder, patterns):
        _check_encodable(entry.path)
        match entry:
            case File():
                files.append(entry)
            case Link():
                _check_stays_inside(Path(folder), entry)
                links.append(entry)
            case Other():
                raise ManifestInvalid("MANIFEST_FILE_KIND", f"{entry.path!r} is no regular file; exclude it")
    return _encode(Manifest(files=tuple(files), links=tuple(links), exclude=patterns))


def verify_manifest(manifest: bytes, folder: str | os.PathLike[str]) -> ManifestReport:
    """Compare a folder with a manifest whose signature has been verified.

    Raises ManifestMismatch with the changed, missing and extra paths; ManifestInvalid when the bytes are no manifest or
    a file can not be read.
    """
    expected = parse_manifest(manifest)
    wanted: dict[str, Entry] = {}
    wanted.update((file.path, file) for file in expected.files)
    wanted.update((link.path, link) for link in expected.links)
    found = {entry.path: entry for entry in scan(folder, expected.exclude)}
    changed = sorted(path for path in wanted.keys() & found.keys() if wanted[path] != found[path])
    missing = sorted(wanted.keys() - found.keys())
    extra = sorted(found.keys() - wanted.keys())
    if changed or missing or extra:
        printable = [path.encode("utf-8", "backslashreplace").decode() for path in extra]
        raise ManifestMismatch(changed=changed, missing=missing, extra=printable)
    return ManifestReport(
        files=len(expected.files),
        links=len(expected.links),
        total_bytes=sum(file.size for file in expected.files),
        exclude=expected.exclude,
    )


def parse_manifest(data: bytes) -> Manifest:
    """Read and check the bytes of a manifest, at most 64 MiB. Raises ManifestInvalid, whatever the bytes."""
    if len(data) > MAX_MANIFEST_BYTES:
        raise ManifestInvalid("MANIFEST_TOO_LARGE", f"a manifest has at most {MAX_MANIFEST_BYTES} bytes")
    try:
        content = json.loads(data)
        manifest = Manifest(
            files=tuple(File(**file) for file in content["files"]),
            links=tuple(Link(**link) for link in content["links"]),
            exclude=tuple(content["exclude"]),
        )
        canonical = content["format"] == FORMAT and _encode(manifest) == data
        well_formed = canonical and _is_well_formed(manifest)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ManifestInvalid("MANIFEST_MALFORMED", f"these bytes are no manifest in the form {FORMAT}") from error
    if not well_formed:
        raise ManifestInvalid("MANIFEST_MALFORMED", f"this manifest is not in the one form that {FORMAT} allows")
    return manifest


def _encode(manifest: Manifest) -> bytes:
    content: dict[str, Any] = {
        "exclude": list(manifest.exclude),
        "files": [asdict(file) for file in manifest.files],
        "format": FORMAT,
        "links": [asdict(link) for link in manifest.links],
    }
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _is_well_formed(manifest: Manifest) -> bool:
    files = [file.path for file in manifest.files]
    links = [link.path for link in manifest.links]
    return (
        all(_is_text(pattern) for pattern in manifest.exclude)
        and all(_is_relative(path) for path in (*files, *links))
        and all(earlier < later for paths in (files, links) for earlier, later in pairwise(paths))
        and not set(files) & set(links)
        and all(_is_size(file.size) and _is_sha256(file.sha256) for file in manifest.files)
        and all(_is_text(link.target) for link in manifest.links)
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_relative(path: object) -> bool:
    """In normal form, below the folder: nothing empty, no "." or "..", no leading slash, no NUL."""
    if not isinstance(path, str) or not path or "\0" in path:
        return False
    pure = PurePosixPath(path)
    return not pure.is_absolute() and ".." not in pure.parts and str(pure) == path and path != "."


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_sha256(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def _check_encodable(path: str) -> None:
    try:
        path.encode()
    except UnicodeEncodeError:
        raise ManifestInvalid("MANIFEST_NAME", f"{path!r} is not UTF-8; rename it or exclude it") from None


def _check_stays_inside(folder: Path, link: Link) -> None:
    """A manifest that vouched for a link out of the folder would seem to vouch for what is there."""
    root = folder.resolve()
    if PurePosixPath(link.target).is_absolute() or not (root / link.path).resolve().is_relative_to(root):
        sentence = f"{link.path!r} is a symbolic link that leaves the folder; exclude it or put the file there"
        raise ManifestInvalid("MANIFEST_LINK", sentence)
    _check_encodable(link.target)
