"""Checkpoints: the text of a note that states a log's size and root (C2SP tlog-checkpoint)."""

from dataclasses import dataclass

from hallmark_tlog.canonical import (
    HASH_SIZE,
    MAX_SIZE,
    check_characters,
    decode_decimal,
    decode_hash,
    encode_base64,
)
from hallmark_tlog.errors import FormatError
from hallmark_tlog.merkle import EMPTY_ROOT


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log states about itself. `root` is 32 bytes; size 0 has the root of the empty tree.

    `extensions` are opaque non-empty lines. ML-DSA-44 signatures do not cover them: a log should have none.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.size <= MAX_SIZE or len(self.root) != HASH_SIZE:
            raise FormatError("a checkpoint has a size below 2^63 and a root of 32 bytes")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise FormatError("a checkpoint of size 0 has the root SHA-256 of the empty string")
        for line in (self.origin, *self.extensions):
            if not line or "\n" in line:
                raise FormatError("the origin and the extension lines of a checkpoint are single non-empty lines")
            check_characters(line, what="a checkpoint")

    def __str__(self) -> str:
        """The note text: three lines and the extension lines, each ending in a newline."""
        lines = (self.origin, str(self.size), encode_base64(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines)


def parse_checkpoint(text: str) -> Checkpoint:
    """Parse a note's text. It is not to be trusted before `verify.open_checkpoint`. Raises FormatError."""
    if not text.endswith("\n"):
        raise FormatError("a checkpoint does not end in a newline")
    lines = text[:-1].split("\n")
    if len(lines) < 3:
        raise FormatError("a checkpoint has at least three lines: origin, size, root")
    origin, size, root, *extensions = lines
    return Checkpoint(
        origin=origin,
        size=decode_decimal(size, what="the size of a checkpoint"),
        root=decode_hash(root, what="the root of a checkpoint"),
        extensions=tuple(extensions),
    )
