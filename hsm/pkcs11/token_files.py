"""Keeps SoftHSM's token file from being lost to a SIGKILL.

SoftHSM rewrites `tokens/*/token.object` at every login: it truncates the file, then writes it. A process killed between
the two leaves it empty, and with it every key of the token out of reach. So set-up keeps a durable copy of the file (it
holds the PIN-encrypted master key and flags, nothing in clear), and it is put back before the next login.
"""

import os
from pathlib import Path
from typing import Final

_TOKENS: Final = "tokens"
_COPIES: Final = "token-files"
_FILE: Final = "token.object"


def keep_copies(data_folder: Path) -> None:
    """After a login that worked: what the files are when they are good. Raises OSError."""
    copies = data_folder / _COPIES
    for file in (data_folder / _TOKENS).glob(f"*/{_FILE}"):
        content = file.read_bytes()
        copy = copies / file.parent.name
        if content and (not copy.exists() or copy.read_bytes() != content):
            copies.mkdir(mode=0o700, exist_ok=True)
            _write_durably(copy, content)


def mend(data_folder: Path) -> list[str]:
    """Puts back what was cut short; names the tokens. Call while nobody else logs in. Raises OSError."""
    mended = []
    for copy in (data_folder / _COPIES).glob("*"):
        file = data_folder / _TOKENS / copy.name / _FILE
        if copy.suffix or not file.parent.is_dir():  # half a copy; a token that was moved away
            continue
        content = copy.read_bytes()
        if not file.exists() or file.stat().st_size < len(content):
            _write_durably(file, content)
            mended.append(copy.name)
    return mended


def _write_durably(path: Path, content: bytes) -> None:
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
