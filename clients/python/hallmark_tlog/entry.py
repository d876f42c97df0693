"""What an entry of a Hallmark log says, and what opens its commitments. For auditors; docs/log.md tells the whole.

An entry is one line of canonical JSON (RFC 8785, restricted to ASCII keys, integers within 2^53, no floats):

{"commitments":{"<name>":"<base64url>"},"details":{...},"id":"<event key>","subject":"<resource name or URI>",
"tenant":"<tenant>","time":"<RFC 3339, UTC, microseconds>","type":"<event type>","v":1}

`commitments` is left out where there are none. A commitment is HMAC-SHA256(salt, name || 0x00 || value in UTF-8) with
a salt of 32 random bytes for each fact: without the salt it says nothing, not even to who guesses the value.
"""

import base64
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from hallmark_tlog.bundles import MAX_ENTRY_BYTES
from hallmark_tlog.errors import CommitmentError, FormatError, UnknownEntryVersion

ENTRY_VERSION: Final = 1
SALT_BYTES: Final = 32
COMMITMENTS_MAX: Final = 64

_TIME: Final = "%Y-%m-%dT%H:%M:%S.%fZ"
_TIME_SHAPE: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_COMMITMENT: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_INTEGER_DIGITS_MAX: Final = 16
_INTEGER_MAX: Final = 2**53
_TEXTS: Final = ("id", "subject", "tenant", "time", "type")
_MEMBERS: Final = {"details", "v", *_TEXTS}
_NESTING_MAX: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One event. `details` as JSON values; `commitments`: 32 bytes each, by name of the fact."""

    event_key: str
    event_type: str
    tenant: str
    subject: str
    time: datetime
    details: Mapping[str, Any]
    commitments: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class OpenedFact:
    """Proved: this is the value that was committed to when the entry was made."""

    name: str
    value: str


def parse_entry(data: bytes) -> Entry:
    """Strict: the one accepted spelling of an entry is its canonical one. Raises FormatError for any other bytes, and
    its subclass UnknownEntryVersion for an entry that a later version of this reader may understand.
    """
    document = _canonical_object(data)
    version = document.get("v")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise FormatError("an entry has no version")
    if version != ENTRY_VERSION:
        raise UnknownEntryVersion(version)
    if document.keys() - {"commitments"} != _MEMBERS:
        raise FormatError("an entry lacks members or has some that version 1 does not know")
    texts = {name: document[name] for name in _TEXTS}
    if not all(isinstance(text, str) for text in texts.values()) or not isinstance(document["details"], dict):
        raise FormatError("a member of an entry has the wrong type")
    return Entry(
        event_key=texts["id"],
        event_type=texts["type"],
        tenant=texts["tenant"],
        subject=texts["subject"],
        time=_time(texts["time"]),
        details=document["details"],
        commitments=_commitments(document),
    )


def commitment_to(name: str, value: str, salt: bytes) -> bytes:
    """32 bytes. Names hold no NUL, so the framing is unambiguous. Raises ValueError."""
    if len(salt) != SALT_BYTES or "\0" in name:
        raise ValueError("a commitment needs a salt of 32 bytes and a name without NUL")
    return hmac.digest(salt, name.encode() + b"\0" + value.encode(), "sha256")


def commitment_text(commitment: bytes) -> str:
    """As it stands in an entry: base64url without padding (RFC 4648, section 5), 43 characters."""
    return base64.urlsafe_b64encode(commitment).rstrip(b"=").decode("ascii")


def verify_opening(entry: Entry, name: str, value: str, salt: bytes) -> OpenedFact:
    """The value that the entry commits to under this name. Raises CommitmentError for any other value or salt."""
    commitment = entry.commitments.get(name)
    if commitment is None:
        raise CommitmentError(f"the entry has no commitment named {name!r}")
    try:
        computed = commitment_to(name, value, salt)
    except ValueError as error:
        raise CommitmentError(str(error)) from error
    if not hmac.compare_digest(computed, commitment):
        raise CommitmentError(f"the value and salt do not open the commitment {name!r}")
    return OpenedFact(name, value)


def _canonical_object(data: bytes) -> dict[str, Any]:
    """Parsed and written again: only the canonical bytes come out equal."""
    if len(data) > MAX_ENTRY_BYTES:
        raise FormatError(f"an entry has at most {MAX_ENTRY_BYTES} bytes")
    try:
        document = json.loads(data.decode(), parse_int=_integer, parse_float=_refused, parse_constant=_refused)
        _check_keys(document, _NESTING_MAX)
        written = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:  # also UnicodeError
        raise FormatError(f"an entry is not canonical JSON: {error}") from error
    if written != data or not isinstance(document, dict):
        raise FormatError("an entry is not a canonical JSON object")
    return document


def _check_keys(value: Any, depth: int) -> None:
    if depth == 0:
        raise ValueError("nested too deep")
    if isinstance(value, dict):
        if not all(key.isascii() for key in value):
            raise ValueError("keys must be ASCII")
        for item in value.values():
            _check_keys(item, depth - 1)
    elif isinstance(value, list):
        for item in value:
            _check_keys(item, depth - 1)


def _integer(text: str) -> int:
    number = int(text) if len(text) <= _INTEGER_DIGITS_MAX + 1 else _INTEGER_MAX + 1
    if abs(number) > _INTEGER_MAX:
        raise ValueError("integers beyond 2^53 have no canonical form")
    return number


def _refused(text: str) -> Any:
    raise ValueError(f"{text[:20]} has no canonical form")


def _time(text: str) -> datetime:
    try:
        if not _TIME_SHAPE.fullmatch(text):
            raise ValueError(text[:40])
        return datetime.strptime(text, _TIME).replace(tzinfo=UTC)
    except ValueError as error:
        raise FormatError("the time of an entry is not RFC 3339 in UTC with six decimals") from error


def _commitments(document: Mapping[str, Any]) -> dict[str, bytes]:
    if "commitments" not in document:
        return {}
    found = document["commitments"]
    if not isinstance(found, dict) or not 1 <= len(found) <= COMMITMENTS_MAX:
        raise FormatError(f"commitments is an object of 1 to {COMMITMENTS_MAX} facts, or left out")
    return {name: _commitment(name, text) for name, text in found.items()}


def _commitment(name: str, text: object) -> bytes:
    if not name or "\0" in name or not isinstance(text, str) or not _COMMITMENT.fullmatch(text):
        raise FormatError("a commitment is 43 characters of base64url under a name")
    commitment = base64.urlsafe_b64decode(text + "=")
    if commitment_text(commitment) != text:
        raise FormatError("a commitment is not canonical base64url")
    return commitment
