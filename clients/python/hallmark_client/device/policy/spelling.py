"""Rules as JSON values and back: every clause is an object whose members are its fields, `enforcement` always there.

Strict in shape here; the ranges are checked by the clauses themselves, the order of members by canonical JSON.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, TypeVar

from hallmark_client.device.model import Enforcement
from hallmark_client.device.policy.asking import Operation
from hallmark_client.device.policy.clauses import (
    AnyClause,
    Callers,
    ConcurrentReaders,
    MaxBytes,
    MaxUses,
    MinimumVersion,
    NotAfter,
    RequiresLease,
    TimeToLive,
    UserPresent,
)
from hallmark_client.device.policy.errors import PolicyInvalid
from hallmark_client.device.policy.rule import Rule
from hallmark_events.canonical import Json, format_time, parse_time

Member = TypeVar("Member", bound=StrEnum)

_CLAUSES: Final[Mapping[str, type[AnyClause]]] = {
    "callers": Callers,
    "concurrent_readers": ConcurrentReaders,
    "max_bytes": MaxBytes,
    "max_uses": MaxUses,
    "minimum_version": MinimumVersion,
    "not_after": NotAfter,
    "requires_lease": RequiresLease,
    "ttl": TimeToLive,
    "user_present": UserPresent,
}


def write_rule(rule: Rule) -> dict[str, Json]:
    written: dict[str, Json] = {"operations": list(rule.operations)}
    for name in _CLAUSES:
        clause = getattr(rule, name)
        if clause is not None:
            written[name] = write_clause(clause)
    return written


def read_rule(value: object) -> Rule:
    """Raises PolicyInvalid."""
    found = members(value, what="a rule", required={"callers", "operations"}, known={"operations", *_CLAUSES})
    operations = tuple(_member(Operation, name) for name in as_list(found.pop("operations"), what="operations"))
    clauses: dict[str, Any] = {name: read_clause(name, item) for name, item in found.items()}
    return Rule(operations=operations, **clauses)


def write_clause(clause: AnyClause) -> dict[str, Json]:
    """Without the fields that are None."""
    values = {field.name: getattr(clause, field.name) for field in fields(clause)}
    return {name: _plain(value) for name, value in values.items() if value is not None}


def read_clause(name: str, value: object) -> AnyClause:
    """Raises PolicyInvalid."""
    kind = _CLAUSES[name]
    known = {field.name for field in fields(kind)}
    found = members(value, what=name, required=known - {"seconds"} if kind is MaxUses else known, known=known)
    arguments: dict[str, Any] = {member: _READERS[member](item) for member, item in found.items()}
    return kind(**arguments)


def members(value: object, *, what: str, required: set[str], known: set[str]) -> dict[str, Any]:
    """A copy of an object that has these members. Raises PolicyInvalid."""
    if not isinstance(value, dict) or not required <= value.keys() <= known:
        raise PolicyInvalid(f"{what} is an object with {', '.join(sorted(required))}, and no unknown member")
    return dict(value)


def as_list(value: object, *, what: str) -> list[Any]:
    """Raises PolicyInvalid."""
    if not isinstance(value, list):
        raise PolicyInvalid(f"{what} is an array")
    return value


def as_number(value: object) -> int:
    """Raises PolicyInvalid."""
    if type(value) is not int:
        raise PolicyInvalid("a number is a whole number")
    return value


def as_text(value: object) -> str:
    """Raises PolicyInvalid."""
    if not isinstance(value, str):
        raise PolicyInvalid("a text is a string")
    return value


def _texts(value: object) -> tuple[str, ...]:
    return tuple(as_text(item) for item in as_list(value, what="applications"))


def _member(kind: type[Member], value: object) -> Member:
    for member in kind:
        if member.value == value:
            return member
    raise PolicyInvalid(f"{value!r:.40} is none of {', '.join(kind)}")


_READERS: Final[Mapping[str, Callable[[object], Any]]] = {
    "applications": _texts,
    "enforcement": lambda value: _member(Enforcement, value),
    "readers": as_number,
    "seconds": as_number,
    "size": as_number,
    "time": lambda value: parse_time(value, what="time", refuse=PolicyInvalid),
    "uses": as_number,
    "version": as_number,
}


def _plain(value: object) -> Json:
    match value:
        case datetime():
            return format_time(value)
        case tuple():
            return list(value)
        case int() | str():
            return value
        case _:
            raise TypeError(f"a clause holds no {type(value).__name__}")
