"""Strict readers of the few notations the C2SP formats share. One value has exactly one accepted spelling."""

import base64
import binascii
import re

from hallmark_tlog.errors import FormatError

HASH_SIZE = 32
MAX_SIZE = 2**63 - 1
"""Largest tree size, index or timestamp. Go verifiers hold them in an int64."""

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_FORBIDDEN = re.compile("[\x00-\x09\x0b-\x1f\ud800-\udfff]")


def encode_base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def decode_base64(text: str, *, what: str) -> bytes:
    """Standard base64 with padding (RFC 4648 section 4).

    The result must encode to the same text: Python alone accepts stray bits in the last character.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise FormatError(f"{what} is not base64") from error
    if encode_base64(data) != text:
        raise FormatError(f"{what} is not canonical base64")
    return data


def decode_hash(text: str, *, what: str) -> bytes:
    """The base64 of one SHA-256 value, 32 bytes."""
    data = decode_base64(text, what=what)
    if len(data) != HASH_SIZE:
        raise FormatError(f"{what} has {len(data)} bytes, a SHA-256 hash has {HASH_SIZE}")
    return data


def decode_decimal(text: str, *, what: str) -> int:
    """ASCII decimal without sign or leading zero, at most 2^63 - 1.

    `int()` alone also takes "+1", "1_0", "01" and the digits of other scripts.
    """
    if not _DECIMAL.fullmatch(text) or int(text) > MAX_SIZE:
        raise FormatError(f"{what} is not a canonical decimal below 2^63")
    return int(text)


def decode_text(data: bytes, *, what: str, max_bytes: int) -> str:
    """UTF-8 without control characters other than newline (signed-note, "Format")."""
    if len(data) > max_bytes:
        raise FormatError(f"{what} is larger than {max_bytes} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(f"{what} is not UTF-8") from error
    check_characters(text, what=what)
    return text


def check_characters(text: str, *, what: str) -> None:
    """Raise for control characters other than newline, and for lone surrogates, which have no UTF-8 form."""
    if _FORBIDDEN.search(text):
        raise FormatError(f"{what} has a control character")


def check_key_name(name: str) -> None:
    """Key names are not empty and have no Unicode space and no plus (signed-note, "Format")."""
    if not name or "+" in name or any(character.isspace() for character in name):
        raise FormatError("a key name is empty or has a space or a plus")
    check_characters(name, what="a key name")
