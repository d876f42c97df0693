"""What a manifest is, for keys that sign manifests only. The form is the client library's: hallmark-manifest/v1.

Canonical JSON in UTF-8 without white space:
{"exclude":[pattern],"files":[{"path","sha256","size"}],"format":"hallmark-manifest/v1","links":[{"path","target"}]}
with relative POSIX paths in normal form, sorted by code point, no path twice. There is exactly one spelling of each.
"""

import json
import re
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any, Final

from kms.core.errors import InvalidArgument, Reason

FORMAT: Final = "hallmark-manifest/v1"
_MEMBERS: Final = {"exclude", "files", "format", "links"}
_SHA256: Final = re.compile("[0-9a-f]{64}")


def check_manifest(data: bytes) -> None:
    """Raises InvalidArgument/PURPOSE_MISMATCH for whatever is not a manifest in its one spelling."""
    try:
        content = json.loads(data)
        right = isinstance(content, dict) and content.keys() == _MEMBERS and _is_manifest(content, data)
    except (ValueError, TypeError, RecursionError):
        right = False
    if not right:
        raise InvalidArgument(
            Reason.PURPOSE_MISMATCH,
            f"this key signs manifests in the form {FORMAT} and nothing else, and data is not one",
            field="data",
        )


def _is_manifest(content: dict[str, Any], data: bytes) -> bool:
    files, links, exclude = content["files"], content["links"], content["exclude"]
    return (
        content["format"] == FORMAT
        and all(isinstance(part, list) for part in (files, links, exclude))
        and all(isinstance(pattern, str) for pattern in exclude)
        and all(_is_file(file) for file in files)
        and all(_is_link(link) for link in links)
        and _paths_are_right([file["path"] for file in files], [link["path"] for link in links])
        and _encode(content) == data
    )


def _is_file(file: Any) -> bool:
    return (
        isinstance(file, dict)
        and file.keys() == {"path", "sha256", "size"}
        and isinstance(file["sha256"], str)
        and _SHA256.fullmatch(file["sha256"]) is not None
        and type(file["size"]) is int
        and file["size"] >= 0
    )


def _is_link(link: Any) -> bool:
    return isinstance(link, dict) and link.keys() == {"path", "target"} and isinstance(link["target"], str)


def _paths_are_right(files: list[Any], links: list[Any]) -> bool:
    return (
        all(_is_relative(path) for path in (*files, *links))
        and all(earlier < later for paths in (files, links) for earlier, later in pairwise(paths))
        and not set(files) & set(links)
    )


def _is_relative(path: Any) -> bool:
    """In normal form, below the folder: nothing empty, no "." or "..", no leading slash, no NUL."""
    if not isinstance(path, str) or not path or "\0" in path:
        return False
    pure = PurePosixPath(path)
    return not pure.is_absolute() and ".." not in pure.parts and str(pure) == path and path != "."


def _encode(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
