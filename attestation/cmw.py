"""RATS conceptual message wrappers (RFC 9999): which kind of message is inside, and its bytes.

    record      CBOR array or JSON array: type, value, and perhaps an indicator of what the message is (bits: 1 for
                reference values, 2 endorsements, 4 evidence, 8 attestation results). The type is a media type, in CBOR
                also the number of a CoAP content format; the value is a byte string, in JSON base64url
    tag         CBOR tag 1668546817 + content format around a byte string (RFC 9277)
    collection  CBOR or JSON map of labels to wrappers; "__cmwc_t" may name its type

Signed wrappers (COSE_Sign1, JWS) are refused: their signer is none of the vendors.
"""

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from attestation.cbor import CborValue, Tagged
from attestation.errors import EvidenceError

MAX_ITEMS: Final = 32
MAX_DEPTH: Final = 4

EVIDENCE: Final = 4  # indicator bits
ENDORSEMENTS: Final = 2

_FIRST_TAG: Final = 1668546817
_TAGS: Final = range(_FIRST_TAG, _FIRST_TAG + 65025)
# Content formats of the wrappers themselves: a collection in CBOR, a signed one, a JSON one in bytes, a JWS in bytes.
_CBOR_COLLECTION, _SIGNED_CBOR, _JSON_COLLECTION, _SIGNED_JSON = (
    _FIRST_TAG + number for number in (274, 275, 276, 277)
)
_TYPE: Final = "__cmwc_t"
_MEDIA_TYPE: Final = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}(\s*;.{0,512})?")
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]*={0,2}")


@dataclass(frozen=True, slots=True)
class Record:
    """`type` is a media type or the number of a content format."""

    type: str | int
    value: bytes
    indicator: int | None = None


@dataclass(frozen=True, slots=True)
class Collection:
    """Wrappers by label, in the order they came. `type` is a URI or OID."""

    type: str | None
    items: "Mapping[str | int, Record | Collection]"


Cmw = Record | Collection


def is_cbor_cmw(value: CborValue) -> bool:
    """Whether a decoded item has the form of a wrapper; what is in it is then read strictly."""
    match value:
        case Tagged():
            return value.tag in _TAGS
        case tuple():
            return 2 <= len(value) <= 3 and isinstance(value[0], str | int) and isinstance(value[1], bytes)
        case dict():
            inner = [item for label, item in value.items() if label != _TYPE]
            return _TYPE in value or (bool(inner) and all(map(is_cbor_cmw, inner)))
        case _:
            return False


def is_json_cmw(value: Any) -> bool:
    match value:
        case list():
            return 2 <= len(value) <= 3 and isinstance(value[0], str) and isinstance(value[1], str)
        case dict():
            inner = [item for label, item in value.items() if label != _TYPE]
            return _TYPE in value or (bool(inner) and all(map(is_json_cmw, inner)))
        case _:
            return False


def from_cbor(value: CborValue, *, depth: int = 0) -> Cmw:
    """Read a wrapper from a decoded item; EvidenceError when it is none."""
    if depth > MAX_DEPTH:
        raise EvidenceError(f"wrappers are nested deeper than {MAX_DEPTH}")
    match value:
        case Tagged():
            return _tag(value, depth=depth)
        case tuple() if 2 <= len(value) <= 3:
            return _record(value[0], value[1], value[2] if len(value) == 3 else None)
        case dict():
            return _collection(value, depth=depth, read=from_cbor)
        case _:
            raise EvidenceError("not a conceptual message wrapper")


def from_json(value: Any, *, depth: int = 0) -> Cmw:
    """The same from parsed JSON."""
    if depth > MAX_DEPTH:
        raise EvidenceError(f"wrappers are nested deeper than {MAX_DEPTH}")
    match value:
        case list() if 2 <= len(value) <= 3:
            return _record(value[0], _base64url(value[1]), value[2] if len(value) == 3 else None)
        case dict():
            return _collection(value, depth=depth, read=from_json)
        case _:
            raise EvidenceError("not a conceptual message wrapper")


def _tag(value: Tagged, *, depth: int) -> Cmw:
    if value.tag in (_SIGNED_CBOR, _SIGNED_JSON):
        raise EvidenceError("signed wrappers are not read: take the signature off where you know its signer")
    if value.tag == _CBOR_COLLECTION:
        return from_cbor(value.value, depth=depth + 1)
    if value.tag not in _TAGS or not isinstance(value.value, bytes):
        raise EvidenceError(f"CBOR tag {value.tag} is no content format around a byte string")
    if value.tag == _JSON_COLLECTION:
        return from_json(parse_json(value.value), depth=depth + 1)
    return Record(value.tag - _FIRST_TAG, value.value)


def _record(kind: Any, value: Any, indicator: Any) -> Record:
    numbered = isinstance(kind, int) and not isinstance(kind, bool) and 0 <= kind < 65536
    if not numbered and not (isinstance(kind, str) and _MEDIA_TYPE.fullmatch(kind)):
        raise EvidenceError("wrapper has neither a media type nor a content format")
    if not isinstance(value, bytes):
        raise EvidenceError("value of the wrapper is not a byte string")
    if indicator is not None and (isinstance(indicator, bool) or not isinstance(indicator, int) or indicator < 1):
        raise EvidenceError("indicator of the wrapper is not a positive number")
    return Record(kind, value, indicator)


def _collection(value: Mapping[Any, Any], *, depth: int, read: Any) -> Collection:
    kind = value.get(_TYPE)
    if kind is not None and not isinstance(kind, str):
        raise EvidenceError("type of the collection is not a text")
    found = {label: item for label, item in value.items() if label != _TYPE}
    if not 1 <= len(found) <= MAX_ITEMS or not all(isinstance(label, str | int) for label in found):
        raise EvidenceError(f"collection is not 1 to {MAX_ITEMS} wrappers under texts or numbers")
    return Collection(kind, MappingProxyType({label: read(item, depth=depth + 1) for label, item in found.items()}))


def _base64url(text: Any) -> bytes:
    if not isinstance(text, str) or not _BASE64URL.fullmatch(text):
        raise EvidenceError("value of the wrapper is not base64url")
    try:
        return urlsafe_b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))
    except ValueError as error:
        raise EvidenceError("value of the wrapper is not base64url") from error


def parse_json(data: bytes) -> Any:
    """JSON without a member twice; EvidenceError otherwise."""
    try:
        return json.loads(data, object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        raise EvidenceError("text is not JSON") from error


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise EvidenceError("JSON object has a member twice")
    return found
