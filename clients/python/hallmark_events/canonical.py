"""Canonical JSON: the one spelling of everything that is signed here, and a strict reader of it.

The JSON Canonicalization Scheme (RFC 8785) restricted to what needs no care about numbers: objects with ASCII keys,
arrays, strings, integers within 2^53, booleans, null. No floats. Times are RFC 3339 in UTC with six decimals and Z.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias, Union

Json: TypeAlias = Union[None, bool, int, str, Sequence["Json"], Mapping[str, "Json"]]  # noqa: UP007 (recursive)
Refuse: TypeAlias = Callable[[str], Exception]
"""The error a reader raises: every format has its own."""

INTEGER_MAX: Final = 2**53
NESTING_MAX: Final = 32

_INTEGER_DIGITS_MAX: Final = 16
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)


def canonical_json(value: Json) -> bytes:
    """UTF-8, keys sorted, no white space. Raises ValueError for what has no canonical form here."""
    _check(value, NESTING_MAX)
    return _written(value)


def parse_canonical(data: bytes, *, what: str, max_bytes: int, refuse: Refuse) -> dict[str, Any]:
    """The object that `data` is the canonical spelling of; any other bytes raise what `refuse` makes."""
    if len(data) > max_bytes:
        raise refuse(f"{what} has at most {max_bytes} bytes, not {len(data)}")
    try:
        value = json.loads(data.decode(), parse_int=_integer, parse_float=_no_float, parse_constant=_no_float)
        _check(value, NESTING_MAX)
        written = _written(value)
    except (ValueError, RecursionError) as error:  # also UnicodeError and JSONDecodeError
        raise refuse(f"{what} is not canonical JSON: {error}") from error
    if written != data or not isinstance(value, dict):
        raise refuse(f"{what} is not a canonical JSON object")
    return value


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC with six decimals and Z: sorts as text, one spelling per instant."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def parse_time(value: object, *, what: str, refuse: Refuse) -> datetime:
    """Aware, UTC."""
    if isinstance(value, str) and _TIME.fullmatch(value):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            pass
    raise refuse(f"{what} is not RFC 3339 in UTC with six decimals")


def parse_base64(value: object, *, what: str, refuse: Refuse) -> bytes:
    """Standard base64 with padding, its one canonical spelling (RFC 4648, section 4)."""
    if isinstance(value, str):
        try:
            data = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            data = None
        if data is not None and base64.b64encode(data).decode() == value:
            return data
    raise refuse(f"{what} is not canonical base64")


def parse_hex(value: object, size: int, *, what: str, refuse: Refuse) -> bytes:
    """`size` bytes as lower-case hexadecimal."""
    if isinstance(value, str) and len(value) == 2 * size and re.fullmatch("[0-9a-f]*", value):
        return bytes.fromhex(value)
    raise refuse(f"{what} is not {2 * size} lower-case hexadecimal digits")


def encode_base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _written(value: Json) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=dict).encode()


def _check(value: Json, depth: int) -> None:
    if isinstance(value, str | bool) or value is None:
        return
    if depth == 0:
        raise ValueError("nested too deep")
    if isinstance(value, int):
        if abs(value) > INTEGER_MAX:
            raise ValueError("integers beyond 2^53 have no canonical form")
    elif isinstance(value, Mapping):
        if not all(key.isascii() for key in value):
            raise ValueError("keys must be ASCII")
        for item in value.values():
            _check(item, depth - 1)
    elif isinstance(value, list | tuple):
        for item in value:
            _check(item, depth - 1)
    else:
        raise ValueError(f"{type(value).__name__} has no canonical form")  # noqa: TRY004 - like any other value


def _integer(text: str) -> int:
    # Bounded first: Python reads long decimals in quadratic time.
    number = int(text) if len(text) <= _INTEGER_DIGITS_MAX + 1 else INTEGER_MAX + 1
    if abs(number) > INTEGER_MAX:
        raise ValueError("integers beyond 2^53 have no canonical form")
    return number


def _no_float(text: str) -> Any:
    raise ValueError(f"{text[:20]} has no canonical form")
