"""Events of callers as JSON: facts about people in a file, and many events, one a line.

Imported by the commands when they run, because it takes the client along.
"""

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from hallmark_client.model.appending import ToAppend
from kms.cli.failure import CommandError, not_usable

LINE_BYTES_MAX: Final = 1_000_000
_TEXTS: Final = ("type", "subject", "person", "request_id")
_FACTS: Final = ("details", "personal")
_NUMBER_BITS: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Line(ToAppend):
    """An event, and the number of its line, from 1."""

    number: int = field(default=0)


def read_facts(data: bytes, where: str) -> dict[str, str]:
    """A JSON object of texts. Raises CommandError."""
    document = _object(data, where)
    if not all(isinstance(value, str) for value in document.values()):
        raise _invalid(where, "values are texts")
    return document


def read_lines(lines: Iterable[bytes], run: uuid.UUID, done: frozenset[int], where: str) -> Iterator[Line]:
    """Those that are not in `done`; empty lines count and say nothing. Raises CommandError at a line that is no event.

    Who gives no request_id gets one from `run` and the line's number: the same in every run.
    """
    for number, data in enumerate(lines, 1):
        if number in done or not data.strip():
            continue
        yield read_line(data, number, run, f"{where}, line {number},")


def read_line(data: bytes, number: int, run: uuid.UUID, where: str) -> Line:
    """Raises CommandError."""
    document = _object(data, where)
    if unknown := document.keys() - {*_TEXTS, *_FACTS}:
        raise _invalid(where, f"does not know {', '.join(sorted(unknown))[:100]}")
    for name in _TEXTS:
        if not isinstance(document.get(name, ""), str):
            raise _invalid(where, f"{name} is a text")
    for name in ("type", "subject"):
        if not document.get(name):
            raise _invalid(where, f"{name} is missing")
    return Line(
        event_type=document["type"],
        subject=document["subject"],
        details=_facts(document, "details", where),
        personal=_facts(document, "personal", where),
        person=document.get("person", ""),
        request_id=document.get("request_id") or request_id_of(run, number),
        number=number,
    )


def request_id_of(run: uuid.UUID, number: int) -> str:
    """`run`, of version 7, with the number in its last 32 bits (RFC 9562, section 6.2: a counter)."""
    return str(uuid.UUID(int=run.int >> _NUMBER_BITS << _NUMBER_BITS | number))


def _facts(document: Mapping[str, Any], name: str, where: str) -> dict[str, str]:
    facts = document.get(name, {})
    if not isinstance(facts, dict) or not all(isinstance(value, str) for value in facts.values()):
        raise _invalid(where, f"{name} is an object of texts")
    return facts


def _object(data: bytes, where: str) -> dict[str, Any]:
    try:
        document = json.loads(data) if len(data) <= LINE_BYTES_MAX else None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise _invalid(where, f"is no JSON object of at most {LINE_BYTES_MAX} bytes")
    return document


def _invalid(where: str, problem: str) -> CommandError:
    advice = 'An event is {"type": ..., "subject": ..., "details": {...}, "personal": {...}, "person": ...} in one line'
    return not_usable("EVENTS_INVALID", f"{where} {problem}", advice)
