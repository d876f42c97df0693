"""Canonical JSON for everything that is signed or logged.

The JSON Canonicalization Scheme (RFC 8785) restricted to what needs no care about numbers: objects with ASCII keys,
arrays, strings, integers within 2^53, booleans, null. No floats.
"""

import json
from typing import TypeAlias, Union

Json: TypeAlias = Union[None, bool, int, str, list["Json"], dict[str, "Json"]]  # noqa: UP007 (recursive)


def canonical_json(value: Json) -> bytes:
    """UTF-8, keys sorted, no white space. Raises ValueError for what has no canonical form here."""
    _check(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _check(value: Json) -> None:
    match value:
        case None | bool() | str():
            return
        case int():
            if abs(value) > 2**53:
                raise ValueError("integers beyond 2^53 have no canonical JSON form")
        case list():
            for item in value:
                _check(item)
        case dict():
            for key, item in value.items():
                if not key.isascii():
                    raise ValueError("keys must be ASCII")
                _check(item)
        case _:
            raise ValueError(f"{type(value).__name__} has no canonical JSON form")
