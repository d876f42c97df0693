"""Canonical JSON for everything that is signed or logged.

The JSON Canonicalization Scheme (RFC 8785) restricted to what needs no care about numbers: objects with ASCII keys,
arrays, strings, integers within 2^53, booleans, null. No floats.
"""

import json
from typing import TypeAlias, Union

Json: TypeAlias = Union[None, bool, int, str, list["Json"], dict[str, "Json"]]  # noqa: UP007 (recursive)


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical_json(value: Json) -> bytes:
    """UTF-8, keys sorted, no white space. Raises ValueError for what has no canonical form here."""
    _check(value)
    return _ENCODER.encode(value).encode()


def _check(value: Json) -> None:
    """Text first, because nearly everything is: every log entry comes through here."""
    if isinstance(value, str | bool) or value is None:
        return
    if isinstance(value, dict):
        for key, item in value.items():
            if not key.isascii():
                raise ValueError("keys must be ASCII")
            if type(item) is not str:
                _check(item)
    elif isinstance(value, list):
        for item in value:
            _check(item)
    elif isinstance(value, int):
        if abs(value) > 2**53:
            raise ValueError("integers beyond 2^53 have no canonical JSON form")
    else:
        raise ValueError(f"{type(value).__name__} has no canonical JSON form")  # noqa: TRY004 - like any other value
