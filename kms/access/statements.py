"""A Cedar document, taken apart into its statements before Cedar reads it: where each begins, and whether it is small
enough to be read at all.

Cedar's parser and evaluator recurse, and a document of a few kilobytes can exhaust the stack of the whole process (700
brackets, 2000 operators in a row do). So nesting and length are bounded here, an order of magnitude below that.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from kms.core.errors import InvalidArgument, Reason

DOCUMENT_BYTES_MAX: Final = 256 * 1024
STATEMENTS_MAX: Final = 500
TOKENS_MAX: Final = 1000
"""Of one statement."""
DOCUMENT_TOKENS_MAX: Final = 20_000
"""Of all statements together: what is uncached costs a call some milliseconds at most."""
PATTERN_CHARACTERS_MAX: Final = 8192
"""Of all patterns of `like` with a star elsewhere than at their end: each may be tried at every place of a name."""
NESTING_MAX: Final = 24
"""Brackets of all kinds, one in another."""
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|\s+|\w+|.', re.DOTALL)
_OPENING: Final = frozenset("([{")
_CLOSING: Final = frozenset(")]}")


@dataclass(frozen=True, slots=True)
class Piece:
    """The text of one statement, with its semicolon, the line (from 1) on which it begins, its words and signs, and
    how long its patterns with a star before their end are together.
    """

    line: int
    text: str
    tokens: int
    pattern_characters: int


def decode(document: bytes) -> str:
    """Raises InvalidArgument."""
    if len(document) > DOCUMENT_BYTES_MAX:
        raise InvalidArgument(
            Reason.MESSAGE_TOO_LARGE, f"a policy has at most {DOCUMENT_BYTES_MAX} bytes", field="document"
        )
    try:
        return document.decode()
    except UnicodeDecodeError:
        raise mistake("a policy is text in UTF-8") from None


def take_apart(text: str, *, pattern_characters_max: int = PATTERN_CHARACTERS_MAX) -> list[Piece]:
    """In their order. Comments between two statements belong to none. Raises InvalidArgument/POLICY_INVALID."""
    pieces = list(_pieces(text))
    if len(pieces) > STATEMENTS_MAX:
        raise mistake(f"a policy has at most {STATEMENTS_MAX} statements; this one has {len(pieces)}")
    if sum(piece.tokens for piece in pieces) > DOCUMENT_TOKENS_MAX:
        raise mistake(f"a policy has at most {DOCUMENT_TOKENS_MAX} words and signs; sets and patterns say more in less")
    if sum(piece.pattern_characters for piece in pieces) > pattern_characters_max:
        raise mistake(
            f"patterns with a star before their end have at most {pattern_characters_max} characters together; let the"
            " star be the last one"
        )
    return pieces


def mistake(what: str, *, line: int | None = None) -> InvalidArgument:
    """What is wrong with a document, and where."""
    where = "" if line is None else f"line {line}: "
    return InvalidArgument(Reason.POLICY_INVALID, f"{where}{what}", field="document")


def _pieces(text: str) -> Iterator[Piece]:
    begin, line, tokens, nesting, first_line, patterns, before = 0, 1, 0, 0, 1, 0, ""
    for found in _TOKEN.finditer(text):
        word = found[0]
        if not word.isspace() and not word.startswith("//"):
            if tokens == 0:
                begin, first_line = found.start(), line
            tokens += 1
            nesting += (word in _OPENING) - (word in _CLOSING)
            _check_size(tokens, nesting, first_line)
            patterns += len(word) if before == "like" and "*" in word[:-2] else 0
            before = word
            if word == ";":
                yield Piece(first_line, text[begin : found.end()], tokens, patterns)
                tokens = nesting = patterns = 0
        line += word.count("\n")
    if tokens:
        yield Piece(first_line, text[begin:], tokens, patterns)


def _check_size(tokens: int, nesting: int, line: int) -> None:
    if tokens > TOKENS_MAX:
        raise mistake(f"a statement has at most {TOKENS_MAX} words and signs; split it", line=line)
    if nesting > NESTING_MAX:
        raise mistake(f"brackets may be nested {NESTING_MAX} deep at most", line=line)
