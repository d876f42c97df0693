"""What a publisher has signed before, kept where the repository is not: so that nobody has an older state signed anew.

An old timestamp.json is genuine. Whoever puts it back into the folder would get the old list of releases under a fresh
signature with the next `refresh`, good for every device that has not seen the newer one.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from hallmark_events.canonical import canonical_json, parse_canonical
from hallmark_release.errors import FormatInvalid, RepositoryUnusable
from hallmark_release.metadata_files import write_all
from hallmark_release.names import checked_number, checked_object
from hallmark_release.roles import Role

_BYTES_MAX: Final = 1024


def check_seen(file: Path, versions: Mapping[Role, int]) -> None:
    """Raises RepositoryUnusable where a role's metadata is older than what was signed before. No file: nothing was."""
    seen = _read(file)
    older = [role for role in Role if versions[role] < seen.get(role, 0)]
    if older:
        told = ", ".join(f"{role} {versions[role]} after {seen[role]}" for role in older)
        raise RepositoryUnusable(
            f"the repository went back: {told}",
            advice=f"Take the newest copy of the folder. Where there is none, remove {file} to go on from this one: "
            "devices that saw a newer one wait until its versions have passed theirs",
        )


def note_seen(file: Path, versions: Mapping[Role, int]) -> None:
    """Raises OSError."""
    write_all(file.parent, {file.name: canonical_json({role.value: versions[role] for role in Role})})


def _read(file: Path) -> dict[Role, int]:
    try:
        with file.open("rb") as opened:
            data = opened.read(_BYTES_MAX + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise RepositoryUnusable(f"{file} can not be read: {error.strerror}") from error
    found = parse_canonical(data, what=str(file), max_bytes=_BYTES_MAX, refuse=RepositoryUnusable)
    try:
        members = checked_object(found, frozenset(Role), str(file))
        return {role: checked_number(members[role], str(file)) for role in Role}
    except FormatInvalid as error:
        raise RepositoryUnusable(str(error)) from error
