"""Signed notes: text, an empty line, signature lines (C2SP signed-note). Format only; see `verify` for trust."""

from dataclasses import dataclass

from hallmark_tlog.canonical import (
    check_characters,
    check_key_name,
    decode_base64,
    decode_text,
    encode_base64,
)
from hallmark_tlog.errors import FormatError

MAX_NOTE_BYTES = 1_000_000
MAX_SIGNATURES = 100
"""signed-note asks verifiers to accept at least 16; Go's sumdb/note stops at 100."""

_KEY_ID_SIZE = 4
_LINE_START = "\u2014 "  # em dash, space


@dataclass(frozen=True, slots=True)
class SignatureLine:
    """`key_id` is 4 bytes; `blob` is what the key type puts behind it, at least 1 byte."""

    name: str
    key_id: bytes
    blob: bytes

    def __post_init__(self) -> None:
        check_key_name(self.name)
        if len(self.key_id) != _KEY_ID_SIZE or not self.blob:
            raise FormatError("a signature line has a key ID of 4 bytes and a signature")

    def __str__(self) -> str:
        """The line without newline."""
        return f"{_LINE_START}{self.name} {encode_base64(self.key_id + self.blob)}"


@dataclass(frozen=True, slots=True)
class Note:
    """`text` ends in a newline, which is part of what is signed."""

    text: str
    signatures: tuple[SignatureLine, ...]

    def __post_init__(self) -> None:
        check_characters(self.text, what="the text of a note")
        if not self.text.endswith("\n"):
            raise FormatError("the text of a note does not end in a newline")
        if not 1 <= len(self.signatures) <= MAX_SIGNATURES:
            raise FormatError(f"a note has 1 to {MAX_SIGNATURES} signatures, not {len(self.signatures)}")

    def __bytes__(self) -> bytes:
        lines = "".join(f"{line}\n" for line in self.signatures)
        return f"{self.text}\n{lines}".encode()


def parse_note(data: bytes) -> Note:
    """Raises FormatError. The bytes of the returned note are `data` again."""
    content = decode_text(data, what="a note", max_bytes=MAX_NOTE_BYTES)
    # The text may have empty lines of its own: the last one divides.
    body, divider, lines = content.rpartition("\n\n")
    if not divider or not lines.endswith("\n"):
        raise FormatError("a note is text, an empty line and signature lines, each ending in a newline")
    if lines.count("\n") > MAX_SIGNATURES:
        raise FormatError(f"a note has more than {MAX_SIGNATURES} signatures")
    return Note(text=body + "\n", signatures=tuple(parse_signature_line(line) for line in lines[:-1].split("\n")))


def parse_signature_line(line: str) -> SignatureLine:
    """Parse one line without its newline. Raises FormatError."""
    if not line.startswith(_LINE_START):
        raise FormatError("a signature line does not begin with an em dash and a space")
    name, space, encoded = line[len(_LINE_START) :].partition(" ")
    if not space:
        raise FormatError("a signature line has no signature")
    data = decode_base64(encoded, what="the signature of a note")
    return SignatureLine(name=name, key_id=data[:_KEY_ID_SIZE], blob=data[_KEY_ID_SIZE:])
