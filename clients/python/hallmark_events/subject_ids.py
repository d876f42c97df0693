"""Whom an event is about: subject identifiers (RFC 9493, section 3.2) and complex subjects (SSF 1.0, section 3.5).

Strict: each format has exactly its members, and no others. A complex subject has simple ones as members and names at
least one; aliases hold simple ones only (RFC 9493, section 3.2.8: no aliases in aliases).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from hallmark_events.canonical import Json
from hallmark_events.errors import SubjectInvalid

ALIASES_MAX: Final = 16
TEXT_MAX: Final = 2_048
"""Characters of one member."""

_MEMBERS: Final[Mapping[str, tuple[str, ...]]] = {
    "account": ("uri",),
    "did": ("url",),
    "email": ("email",),
    "iss_sub": ("iss", "sub"),
    "jwt_id": ("iss", "jti"),
    "opaque": ("id",),
    "phone_number": ("phone_number",),
    "saml_assertion_id": ("assertion_id", "issuer"),
    "uri": ("uri",),
}
"""RFC 9493, section 3.2; jwt_id and saml_assertion_id are additions of SSF 1.0."""

_SHAPES: Final[Mapping[tuple[str, str], re.Pattern[str]]] = {
    ("account", "uri"): re.compile(r"acct:[^\s@]+@[^\s@]+"),  # RFC 7565
    ("did", "url"): re.compile(r"did:[a-z0-9]+:\S+"),
    ("email", "email"): re.compile(r"[^\s@]+@[^\s@]+"),
    ("phone_number", "phone_number"): re.compile(r"\+[0-9]{1,15}", re.ASCII),  # E.164
    ("uri", "uri"): re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+", re.ASCII),
}
COMPLEX_MEMBERS: Final = ("application", "device", "group", "org_unit", "session", "tenant", "user")
"""SSF 1.0, section 3.5."""


@dataclass(frozen=True, slots=True)
class SimpleSubject:
    """One format of RFC 9493 and its members, in the order of their names."""

    format: str
    members: tuple[tuple[str, str], ...]

    def __getitem__(self, name: str) -> str:
        return dict(self.members)[name]

    def to_json(self) -> dict[str, Json]:
        return {"format": self.format, **dict(self.members)}


@dataclass(frozen=True, slots=True)
class Aliases:
    """Several names of one subject (RFC 9493, section 3.2.8)."""

    identifiers: tuple[SimpleSubject, ...]

    def to_json(self) -> dict[str, Json]:
        return {"format": "aliases", "identifiers": [one.to_json() for one in self.identifiers]}


@dataclass(frozen=True, slots=True)
class ComplexSubject:
    """Who, on what, of whom: simple subjects by what they are (SSF 1.0, section 3.5), sorted by name."""

    parts: tuple[tuple[str, SimpleSubject], ...]

    def part(self, name: str) -> SimpleSubject | None:
        return dict(self.parts).get(name)

    def to_json(self) -> dict[str, Json]:
        return {"format": "complex", **{name: part.to_json() for name, part in self.parts}}


SubjectId: TypeAlias = SimpleSubject | Aliases | ComplexSubject


def opaque(identifier: str) -> SimpleSubject:
    """RFC 9493, section 3.2.4. Raises SubjectInvalid."""
    return _simple({"format": "opaque", "id": identifier})


def complex_subject(**parts: SimpleSubject | None) -> ComplexSubject:
    """Of device, tenant, user and the others of COMPLEX_MEMBERS; None is left out. Raises SubjectInvalid."""
    given = {name: part.to_json() for name, part in parts.items() if part is not None}
    return _complex({"format": "complex", **given})


def parse_subject_id(value: object) -> SubjectId:
    """From parsed JSON. Raises SubjectInvalid."""
    members = _object(value)
    match members.get("format"):
        case "aliases":
            return _aliases(members)
        case "complex":
            return _complex(members)
        case _:
            return _simple(members)


def _simple(value: object) -> SimpleSubject:
    members = _object(value)
    name = members.get("format")
    wanted = _MEMBERS.get(name) if isinstance(name, str) else None
    if not isinstance(name, str) or wanted is None:
        raise SubjectInvalid(f"{str(name)[:40]!r} is not a format of a simple subject identifier")
    if members.keys() != {"format", *wanted}:
        raise SubjectInvalid(f"a subject of format {name} has exactly the members {', '.join(wanted)}")
    return SimpleSubject(name, tuple((key, _text(name, key, members[key])) for key in wanted))


def _aliases(members: Mapping[str, object]) -> Aliases:
    found = members.get("identifiers")
    if members.keys() != {"format", "identifiers"} or not isinstance(found, list):
        raise SubjectInvalid("aliases have exactly the member identifiers, an array")
    if not 1 <= len(found) <= ALIASES_MAX:
        raise SubjectInvalid(f"aliases are 1 to {ALIASES_MAX} identifiers")
    return Aliases(tuple(_simple(one) for one in found))


def _complex(members: Mapping[str, object]) -> ComplexSubject:
    names = sorted(members.keys() - {"format"})
    if not names or not set(names) <= set(COMPLEX_MEMBERS):
        raise SubjectInvalid(f"a complex subject has one or more of {', '.join(COMPLEX_MEMBERS)}")
    return ComplexSubject(tuple((name, _simple(members[name])) for name in names))


def _object(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise SubjectInvalid("a subject identifier is a JSON object")
    return value


def _text(format_name: str, key: str, value: object) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= TEXT_MAX:
        raise SubjectInvalid(f"{key} of a subject is text of 1 to {TEXT_MAX} characters")
    shape = _SHAPES.get((format_name, key))
    if shape is not None and not shape.fullmatch(value):
        raise SubjectInvalid(f"{key} of a subject of format {format_name} has another shape")
    return value
