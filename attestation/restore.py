"""The way back from `attestation.digests.plain`: policies, anchors and collateral out of an archive, for replays.

    archived = canonical_json(policy)                       # what InputDigests.policy is the SHA-256 of
    assert restore(Policy, json.loads(archived)) == policy

Collateral is archived by reference: `plain` writes status lists, CRLs, bundles and metadata as their SHA-256, and
`fetch(kind, sha256)` gives the bytes back, which are parsed again. What a value is follows from the types of the fields
alone, so nothing in the archive can choose what is made of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints

import cbor2

from attestation.crl import Crl, parse_crl
from attestation.errors import CollateralError
from attestation.fido_metadata import FidoMetadata, parse_metadata
from attestation.intel_collateral import CollateralPieces, IntelCollateral, parse_intel_collateral
from attestation.status import StatusList, parse_status_list

T = TypeVar("T")
Fetch = Callable[[str, str], bytes]
"""Kind (the class's name) and SHA-256 to bytes; raises KeyError when they are gone."""


class RestoreError(CollateralError):
    """The archived form does not fit the type: it was written by another release, or changed."""


def restore(kind: type[T], value: Any, fetch: Fetch | None = None) -> T:
    """The value of type `kind` that `plain` wrote as `value`. Raises RestoreError, and what `fetch` raises."""
    try:
        result: T = _restore(kind, value, fetch)
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        if isinstance(error, KeyError) and fetch is not None:
            raise
        raise RestoreError(f"{kind.__name__} can not be restored: {error}") from error
    return result


def references(kind: Any, value: Any) -> list[tuple[str, str]]:
    """(kind, SHA-256) of all that `restore` will fetch, for callers whose archive is not at hand at once."""
    wanted: list[tuple[str, str]] = []

    def note(found: str, digest: str) -> bytes:
        wanted.append((found, digest))
        raise _NotedError

    _restore(kind, value, note)
    return wanted


class _NotedError(Exception):
    """In place of the value: it is not needed."""


def _restore(kind: Any, value: Any, fetch: Fetch | None) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {UnionType, Union}:
        return _restore_union(arguments, value, fetch)
    if origin is frozenset:
        return frozenset(_restore(arguments[0], item, fetch) for item in value)
    if origin is tuple:
        return _restore_tuple(arguments, value, fetch)
    if kind in _BY_REFERENCE:
        return _fetched(kind, value, fetch)
    if kind in _SCALARS:
        return _SCALARS[kind](value)
    if issubclass(kind, Enum):
        return kind(value)
    if is_dataclass(kind):
        return _restore_dataclass(kind, value, fetch)
    raise TypeError(f"values of {kind} are not archived")


def _restore_union(arguments: tuple[Any, ...], value: Any, fetch: Fetch | None) -> Any:
    """Of `X | None`, and of unions of plain JSON types, which tell themselves apart."""
    if value is None and NoneType in arguments:
        return None
    others = [each for each in arguments if each is not NoneType]
    if len(others) == 1:
        return _restore(others[0], value, fetch)
    if type(value) in others:
        return value
    raise TypeError(f"{type(value).__name__} is none of {others}")


def _restore_tuple(arguments: tuple[Any, ...], value: Any, fetch: Fetch | None) -> tuple[Any, ...]:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(_restore(arguments[0], item, fetch) for item in value)
    return tuple(_restore(each, item, fetch) for each, item in zip(arguments, value, strict=True))


def _restore_dataclass(kind: Any, value: Any, fetch: Fetch | None) -> Any:
    """A field that the archive lacks was added since and keeps its default; one it does not know is an error."""
    types = _types_of(kind)
    unknown = value.keys() - types.keys()
    if unknown:
        raise ValueError(f"{kind.__name__} has no {', '.join(sorted(unknown))}")
    return kind(**{name: _restore(types[name], item, fetch) for name, item in value.items()})


@lru_cache(maxsize=256)
def _types_of(kind: Any) -> Mapping[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def _fetched(kind: Any, reference: Mapping[str, str], fetch: Fetch | None) -> Any:
    if fetch is None:
        raise ValueError(f"no archive was given to fetch a {kind.__name__} from")
    try:
        data = fetch(kind.__name__, reference["sha256"])
    except _NotedError:
        return None
    found = _BY_REFERENCE[kind](data, reference)
    if found.sha256 != reference["sha256"]:
        raise ValueError(f"the archived {kind.__name__} is not the one that was asked for")
    return found


def _status_list(data: bytes, reference: Mapping[str, str]) -> StatusList:
    return parse_status_list(data, fetched_at=datetime.fromisoformat(reference["fetched_at"]))


def _intel(data: bytes, _: Mapping[str, str]) -> IntelCollateral:
    try:
        pieces = cbor2.loads(data)
    except cbor2.CBORDecodeError as error:
        raise ValueError("Intel collateral is not CBOR") from error
    return parse_intel_collateral(CollateralPieces(*pieces))


def archived_intel(collateral: IntelCollateral) -> bytes:
    """The bytes that bring Intel's collateral back: CBOR, the nine pieces in the order of CollateralPieces."""
    return cbor2.dumps([getattr(collateral.pieces, item.name) for item in fields(CollateralPieces)])


_BY_REFERENCE: Final[dict[Any, Callable[[bytes, Mapping[str, str]], Any]]] = {
    StatusList: _status_list,
    Crl: lambda data, _: parse_crl(data),
    FidoMetadata: lambda data, _: parse_metadata(data),
    IntelCollateral: _intel,
}


def _exactly(kind: type) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if type(value) is not kind:
            raise TypeError(f"{value!r} is no {kind.__name__}")
        return value

    return check


_SCALARS: Final[dict[Any, Callable[[Any], Any]]] = {
    str: _exactly(str),
    int: _exactly(int),
    bool: _exactly(bool),
    bytes: bytes.fromhex,
    datetime: datetime.fromisoformat,
    timedelta: lambda seconds: timedelta(seconds=seconds),
}
