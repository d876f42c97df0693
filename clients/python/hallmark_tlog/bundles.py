"""Entry bundles: up to 256 log entries, each behind its length as a big-endian u16 (C2SP tlog-tiles, "Log entries")."""

from collections.abc import Sequence

from hallmark_tlog.errors import FormatError
from hallmark_tlog.tiles import TILE_WIDTH

MAX_ENTRY_BYTES = 0xFFFF
MAX_BUNDLE_BYTES = TILE_WIDTH * (2 + MAX_ENTRY_BYTES)


def format_bundle(entries: Sequence[bytes]) -> bytes:
    """A bundle of 1 to 256 entries of at most 65,535 bytes; an empty entry is legal. Raises FormatError."""
    if not 1 <= len(entries) <= TILE_WIDTH:
        raise FormatError(f"a bundle has 1 to {TILE_WIDTH} entries, not {len(entries)}")
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise FormatError(f"an entry has at most {MAX_ENTRY_BYTES} bytes, not {len(entry)}")
        parts += (len(entry).to_bytes(2, "big"), entry)
    return b"".join(parts)


def parse_bundle(data: bytes, width: int) -> list[bytes]:
    """Read exactly `width` entries and nothing behind them. Raises FormatError."""
    entries: list[bytes] = []
    position = 0
    for _ in range(width):
        start = position + 2
        position = start + int.from_bytes(data[position:start], "big")
        if start > len(data) or position > len(data):
            raise FormatError(f"a bundle ends inside entry {len(entries)} of {width}")
        entries.append(data[start:position])
    if position != len(data):
        raise FormatError(f"a bundle of {width} entries has {len(data) - position} bytes behind them")
    return entries
