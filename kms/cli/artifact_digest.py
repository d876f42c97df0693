"""An artifact on the command line: the file itself, or its SHA-256."""

import hashlib
import re
from pathlib import Path
from typing import Final

from kms.cli.failure import not_usable

_DIGEST: Final = re.compile(r"(?:(?:tenants/[a-z0-9-]{1,63}/)?artifacts/)?([0-9a-f]{64})")
_PIECE_BYTES: Final = 1 << 20


def artifact_digest(text: str) -> str:
    """SHA-256, hex: of a file, or as it was given. Raises CommandError, OSError."""
    if found := _DIGEST.fullmatch(text):
        return found[1]
    path = Path(text)
    if not path.is_file():
        raise not_usable(
            "ARTIFACT_INVALID",
            f"{text} is neither a file nor the SHA-256 of an artifact",
            "Give the file itself, or 64 lower-case hexadecimal digits",
        )
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()
