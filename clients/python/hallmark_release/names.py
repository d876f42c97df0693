"""Names in a release: paths of files, models, tenants, versions; and the digests as text.

A path must be the same file on every device, and look like what it is, so what file systems disagree about is refused:
case and Unicode forms that meet, backslashes, colons (they divide shard names in OpenSSF Model Signing), control
characters, what Windows or FAT refuse, and characters that are not seen (HFS+ drops them; some turn the text around).
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Any, Final

from hallmark_release.errors import FormatInvalid

PATH_BYTES_MAX: Final = 1024
PATH_PART_BYTES_MAX: Final = 255
PATH_DEPTH_MAX: Final = 32
FILES_MAX: Final = 10_000
EPOCH_MAX: Final = 2**53

_ID: Final = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_KIND: Final = re.compile(r"[a-z](?:[a-z-]{0,30}[a-z])?", re.ASCII)
_RELEASE: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_FORBIDDEN: Final = re.compile(
    '[\x00-\x1f\x7f-\x9f\\\\:*?"<>|\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufe00-\ufe0f\ufeff'
    "\ufff0-\uffff\U000e0000-\U000e0fff]"
)
_WINDOWS: Final = re.compile(r"(?:con|prn|aux|nul|com[0-9\xb9\xb2\xb3]|lpt[0-9\xb9\xb2\xb3]) *(?:\..*)?", re.IGNORECASE)
"""Devices, with any extension."""


def why_not_path(path: str) -> str | None:
    """Why this can not be the path of a released file; None when it can."""
    parts = path.split("/")
    if _FORBIDDEN.search(path):
        return 'it has one of :\\*?"<>|, a character that is not seen, or is not UTF-8'
    if not 1 <= len(path.encode()) <= PATH_BYTES_MAX or len(parts) > PATH_DEPTH_MAX:
        return f"it is longer than {PATH_BYTES_MAX} bytes or deeper than {PATH_DEPTH_MAX} folders"
    if any(part in ("", ".", "..") or len(part.encode()) > PATH_PART_BYTES_MAX for part in parts):
        return f"a part of it is empty, '.', '..' or longer than {PATH_PART_BYTES_MAX} bytes"
    if any(part[-1] in ". " for part in parts):
        return "a part of it ends with a dot or a space, which some file systems drop"
    if any(_WINDOWS.fullmatch(part) for part in parts):
        return "a part of it is the name of a device on Windows"
    if not unicodedata.is_normalized("NFC", path):
        return "it is not in Unicode's normal form C"
    return None


def path_order(path: str) -> tuple[str, ...]:
    """Sorts as OpenSSF Model Signing does: folder by folder, so `sub/x` before `sub.x`."""
    return tuple(path.split("/"))


def meeting_paths(paths: Iterable[str]) -> tuple[str, str] | None:
    """Two paths that can not lie in one folder everywhere: equal but for case, or a file and a folder of one name."""
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    for path in paths:
        folded = _folded(path)
        if folded in files:
            return files[folded], path
        files[folded] = path
        parts = path.split("/")
        for depth in range(1, len(parts)):
            above = "/".join(parts[:depth])
            # Folders that differ in case only would be one folder on some devices, and two in the statement.
            if folders.setdefault(_folded(above), above) != above:
                return folders[_folded(above)], path
    for folded in files.keys() & folders.keys():
        return folders[folded], files[folded]
    return None


def _folded(path: str) -> str:
    """Canonical caseless matching (Unicode 15, section 3.13, D145)."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", path).casefold())


def checked_path(value: object, what: str) -> str:
    if not isinstance(value, str) or why_not_path(value) is not None:
        raise FormatInvalid(f"{what} has a path that no release has")
    return value


def checked_id(value: object, what: str) -> str:
    """A tenant or a model: 1 to 63 lower-case letters, digits, hyphens; begins with a letter."""
    return _matching(_ID, value, what)


def checked_kind(value: object, what: str) -> str:
    """Such as model-weights: 1 to 32 lower-case letters and hyphens."""
    return _matching(_KIND, value, what)


def checked_release_id(value: object, what: str) -> str:
    """16 random bytes of whoever built it, 32 lower-case hexadecimal digits."""
    return _matching(_RELEASE, value, what)


def checked_digest(value: object, what: str) -> str:
    """SHA-256 as 64 lower-case hexadecimal digits."""
    return _matching(_DIGEST, value, what)


def checked_version(value: object, what: str) -> str:
    """For people: 1 to 64 printable characters."""
    if not isinstance(value, str) or not 1 <= len(value) <= 64 or not value.isprintable():
        raise FormatInvalid(f"{what} is 1 to 64 printable characters")
    return value


def checked_number(value: object, what: str, *, least: int = 0, most: int = EPOCH_MAX) -> int:
    if type(value) is not int or not least <= value <= most:
        raise FormatInvalid(f"{what} is a whole number from {least} to {most}")
    return value


def checked_object(value: object, members: frozenset[str], what: str) -> dict[str, Any]:
    """An object with exactly these members."""
    if not isinstance(value, dict) or value.keys() != members:
        raise FormatInvalid(f"{what} has exactly the members {', '.join(sorted(members))}")
    return value


def checked_list(value: object, what: str, *, least: int = 0, most: int) -> list[Any]:
    if not isinstance(value, list) or not least <= len(value) <= most:
        raise FormatInvalid(f"{what} is a list of {least} to {most}")
    return value


def _matching(pattern: re.Pattern[str], value: object, what: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise FormatInvalid(f"{what} is not of the form {pattern.pattern}")
    return value
