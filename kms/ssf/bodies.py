"""Bodies of requests: bounded, strict JSON. Raises RequestInvalid for any bytes that are something else."""

import json
from collections.abc import Mapping
from typing import Any, Final

from kms.ssf.errors import RequestInvalid

BODY_BYTES_MAX: Final = 128 * 1024
"""1,000 acknowledgements have about 40 KB."""
_INTEGER_DIGITS_MAX: Final = 15

Members = Mapping[str, Any]


def parse_object(body: bytes) -> Members:
    """A JSON object in UTF-8, every name once, no NaN. Members that a call does not know are for the call to pass over
    (RFC 8936, section 2.1; SSF 1.0, section 8.1.1).
    """
    try:
        value = json.loads(body.decode(), object_pairs_hook=_once, parse_int=_integer, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:  # also UnicodeError and JSONDecodeError
        raise RequestInvalid("the body is not JSON, or names a member twice") from error
    if not isinstance(value, dict):
        raise RequestInvalid("the body is not a JSON object")
    return value


def text(members: Members, name: str, *, most: int, least: int = 0) -> str | None:
    """None when it is not there. No NUL and no half of a surrogate pair: databases and UTF-8 take neither."""
    if name not in members:
        return None
    value = members[name]
    if not isinstance(value, str) or not least <= len(value) <= most or "\0" in value or not _is_utf8(value):
        raise RequestInvalid(f"{name} is text of {least} to {most} characters")
    return value


def flag(members: Members, name: str) -> bool:
    """False when it is not there."""
    value = members.get(name, False)
    if not isinstance(value, bool):
        raise RequestInvalid(f"{name} is true or false")
    return value


def stream_id(members: Members) -> str:
    found = text(members, "stream_id", most=64, least=1)
    if found is None:
        raise RequestInvalid("stream_id is required")
    return found


def _is_utf8(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name twice")
    return members


def _integer(digits: str) -> int:
    if len(digits) > _INTEGER_DIGITS_MAX:  # Python reads long decimals in quadratic time
        raise ValueError("too large")
    return int(digits)


def _no_constant(name: str) -> Any:
    raise ValueError(name)
