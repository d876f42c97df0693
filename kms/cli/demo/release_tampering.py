"""What somebody with the web server of a repository, and none of its keys, could try."""

import json
from collections.abc import Callable
from pathlib import Path

from hallmark_release.index import ReleaseIndex

Tamper = Callable[[Path, ReleaseIndex], None]
"""Changes the repository in this folder, which has this release."""


def flip_bit(repository: Path, index: ReleaseIndex) -> None:
    """One bit in the middle of the largest encrypted file."""
    file = repository / max(index.parts, key=lambda part: part.size).location
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def strip_ml_dsa(repository: Path, _index: ReleaseIndex) -> None:
    """The post-quantum one of the timestamp's two signatures: by far the longer one (3309 bytes; FIPS 204, table 2)."""
    file = repository / "metadata" / "timestamp.json"
    document = json.loads(file.read_bytes())
    document["signatures"].remove(max(document["signatures"], key=lambda signature: len(signature["sig"])))
    file.write_text(json.dumps(document))
