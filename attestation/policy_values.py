"""Policy dataclasses as plain data and back, by what their annotations say: what JSON and TOML files are made of.

    str, bool                        as they are
    int                              a number, or "0x..." in hexadecimal; 0 to 2^64 - 1
    text enum (StrEnum)              its value
    number enum (IntEnum)            its name
    bit field (IntFlag)              an array of names; bits without a name as a number
    bytes                            hexadecimal
    timedelta                        ISO 8601: "P1D", "PT5M", "P1DT12H"
    frozenset, tuple                 an array; sets are sorted
    dataclass                        a table
    X | None                         "any" or null is None; a key that is left out has its default

Every mistake is found in one reading, and named by its place in the file.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import timedelta
from enum import Enum, IntEnum, IntFlag
from types import NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

ANY: Final = "any"
MISTAKES_MAX: Final = 20
_HEX_NUMBER: Final = re.compile(r"0x[0-9a-fA-F]{1,16}")
_DURATION: Final = re.compile(
    r"P(?=[\dT])(?:(\d{1,5})W)?(?:(\d{1,6})D)?(?:T(?=\d)(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,9}(?:\.\d{1,6})?)S)?)?"
)
_EXACT_NUMBER_MAX: Final = 2**53
_UNREADABLE: Final = object()


class _Unfit(Exception):
    """A value that its field can not have; the sentence goes on after its place."""


class Mistakes:
    """What is wrong with a file: at most MISTAKES_MAX sentences."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def add(self, where: str, sentence: str) -> Any:
        """Notes it and gives the value that stands for one that could not be read."""
        if len(self.sentences) < MISTAKES_MAX:
            self.sentences.append(f"{where or 'the file'} {sentence}")
        return _UNREADABLE


def read_table(kind: type, given: object, mistakes: Mistakes, where: str = "") -> Any:
    """An instance of the dataclass `kind`; something without meaning where mistakes were noted."""
    if not isinstance(given, Mapping):
        return mistakes.add(where, "must be a table")
    known = {field.name: field for field in fields(kind)}
    for key in given:
        if key not in known:
            mistakes.add(_inside(where, str(key)), _unknown(str(key), tuple(known)))
    before, hints = len(mistakes.sentences), hints_of(kind)
    values = {
        name: read_value(hints[name], given[name], mistakes, _inside(where, name)) for name in known if name in given
    }
    for name, field in known.items():
        if name not in given and not has_default(field):
            mistakes.add(_inside(where, name), "is missing")
    return kind(**values) if len(mistakes.sentences) == before else _UNREADABLE


def read_value(kind: Any, given: object, mistakes: Mistakes, where: str) -> Any:
    """A value of the annotated type `kind`."""
    inner = optional_of(kind)
    if inner is not None:
        text = inner is str or (isinstance(inner, type) and issubclass(inner, str))
        return None if given is None or (given == ANY and not text) else read_value(inner, given, mistakes, where)
    origin = get_origin(kind)
    if origin in {frozenset, tuple}:
        return _read_array(kind, given, mistakes, where)
    if is_dataclass(kind):
        assert isinstance(kind, type)
        return read_table(kind, given, mistakes, where)
    read = _scalar_reader(kind)
    try:
        return read(kind, given)
    except _Unfit as error:
        return mistakes.add(where, str(error))


def plain_value(kind: Any, value: Any) -> Any:
    """The plain form of a value of the annotated type `kind`; None stays None."""
    kind = optional_of(kind) or kind
    match value:
        case None | bool():
            return value
        case frozenset():
            return [plain_value(get_args(kind)[0], item) for item in sorted(value, key=_order)]
        case tuple():
            items = get_args(kind)
            kinds = [items[0]] * len(value) if items[-1] is Ellipsis else items
            return [plain_value(item, entry) for item, entry in zip(kinds, value, strict=True)]
        case _ if is_dataclass(value):
            hints = hints_of(type(value))
            return {field.name: plain_value(hints[field.name], getattr(value, field.name)) for field in fields(value)}
        case _:
            return _plain_scalar(kind, value)


def _plain_scalar(kind: Any, value: Any) -> Any:
    match value:
        case int() if kind is int:  # also a bit field in a field that takes any number
            return int(value) if value <= _EXACT_NUMBER_MAX else f"{int(value):#x}"
        case IntFlag():
            return _flags_to_plain(value)
        case IntEnum():
            return value.name
        case Enum():
            return value.value
        case bytes():
            return value.hex()
        case timedelta():
            return duration_text(value)
        case _:
            return value


def optional_of(kind: Any) -> Any:
    """X of `X | None`; None for every other annotation."""
    if get_origin(kind) not in {Union, UnionType}:
        return None
    inner = [item for item in get_args(kind) if item is not NoneType]
    assert len(inner) == 1, f"{kind} has no form in a file"
    return inner[0]


def hints_of(kind: Any) -> Mapping[str, Any]:
    return get_type_hints(kind)


def has_default(field: "Field[Any]") -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def duration_text(value: timedelta) -> str:
    """ISO 8601, exact to the microsecond."""
    assert value >= timedelta(0), "a policy has no negative durations"
    minutes, seconds = divmod(value.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{value.microseconds:06}".rstrip("0") if value.microseconds else ""
    parts = ((hours, "H", ""), (minutes, "M", ""), (seconds, "S", fraction))
    time = "".join(f"{number}{more}{unit}" for number, unit, more in parts if number or more)
    days = f"{value.days}D" if value.days else ""
    return f"P{days}T{time}" if time else f"P{days or 'T0S'}"


def _read_array(kind: Any, given: object, mistakes: Mistakes, where: str) -> Any:
    if isinstance(given, str) or not isinstance(given, Sequence):
        return mistakes.add(where, "must be an array")
    items = get_args(kind)
    open_ended = get_origin(kind) is frozenset or items[-1] is Ellipsis
    if not open_ended and len(given) != len(items):
        return mistakes.add(where, f"must have {len(items)} items")
    kinds = [items[0]] * len(given) if open_ended else items
    read = [
        read_value(item, value, mistakes, f"{where}[{at}]")
        for at, (item, value) in enumerate(zip(kinds, given, strict=True))
    ]
    if any(value is _UNREADABLE for value in read):
        return _UNREADABLE
    return frozenset(read) if get_origin(kind) is frozenset else tuple(read)


def _scalar_reader(kind: Any) -> Any:
    for base, reader in _READERS:
        if issubclass(kind, base):
            return reader
    raise AssertionError(f"{kind} has no form in a file")


def _read_flags(kind: Any, given: object) -> Any:
    if isinstance(given, int):
        return kind(_read_int(int, given))
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise _Unfit("must be an array of names")
    found = kind(0)
    for item in given:
        found |= kind(_read_int(int, item)) if isinstance(item, int) else kind(_member(kind, item))
    return found


def _member(kind: Any, given: object) -> Any:
    if not isinstance(given, str) or given not in kind.__members__:
        raise _Unfit(f"may not be {given!r}{_suggest(given, tuple(kind.__members__))}")
    return kind[given]


def _read_enum(kind: Any, given: object) -> Any:
    values = tuple(str(member.value) for member in kind)
    if not isinstance(given, str) or given not in values:
        raise _Unfit(f"may not be {given!r}{_suggest(given, values)}")
    return kind(given)


def _read_bool(_kind: Any, given: object) -> bool:
    if not isinstance(given, bool):
        raise _Unfit("must be true or false")
    return given


def _read_int(_kind: Any, given: object) -> int:
    if isinstance(given, str) and _HEX_NUMBER.fullmatch(given):
        return int(given, 16)
    if isinstance(given, bool) or not isinstance(given, int):
        raise _Unfit('must be a whole number, or one such as "0x1f"')
    if not 0 <= given < 2**64:
        raise _Unfit("must be 0 to 2^64 - 1")
    return given


def _read_bytes(_kind: Any, given: object) -> bytes:
    if isinstance(given, str) and re.fullmatch(r"(?:[0-9a-fA-F]{2})*", given):
        return bytes.fromhex(given)
    raise _Unfit("must be hexadecimal, two digits for each byte")


def _read_duration(_kind: Any, given: object) -> timedelta:
    found = _DURATION.fullmatch(given) if isinstance(given, str) else None
    if found is None:
        raise _Unfit('must be a duration such as "P1D" (a day), "PT5M" (five minutes) or "PT1H30M"')
    weeks, days, hours, minutes = (int(part or 0) for part in found.groups()[:4])
    whole, _, fraction = (found[5] or "0").partition(".")
    microseconds = int(fraction.ljust(6, "0") or 0)
    return timedelta(
        weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=int(whole), microseconds=microseconds
    )


def _read_text(_kind: Any, given: object) -> str:
    if not isinstance(given, str):
        raise _Unfit("must be a text")
    try:
        given.encode()
    except UnicodeEncodeError:
        raise _Unfit("must be Unicode text") from None
    return given


# The first that fits: a StrEnum is also a str, a bool and an IntFlag also an int.
_READERS: Final = (
    (IntFlag, _read_flags),
    (IntEnum, _member),
    (Enum, _read_enum),
    (bool, _read_bool),
    (int, _read_int),
    (bytes, _read_bytes),
    (timedelta, _read_duration),
    (str, _read_text),
)


def _flags_to_plain(value: IntFlag) -> list[Any]:
    named = [member for member in type(value) if member in value]
    left = int(value)
    for member in named:
        left &= ~int(member)
    return [member.name for member in named] + ([left] if left else [])


def _order(item: Any) -> Any:
    """Enums as they are listed, everything else by its value."""
    return list(type(item)).index(item) if isinstance(item, Enum) else item


def _unknown(key: str, known: Sequence[str]) -> str:
    return f"is not known{_suggest(key, known)}"


def _suggest(given: object, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(str(given), known, 1) or difflib.get_close_matches(str(given).upper(), known, 1)
    return f"; did you mean {near[0]}?" if near else f"; there is: {', '.join(known)}"


def _inside(where: str, key: str) -> str:
    name = key if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", key) else repr(key[:64])
    return f"{where}.{name}" if where else name
