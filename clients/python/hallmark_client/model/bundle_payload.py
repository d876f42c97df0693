"""Reads the signed bytes of a trust bundle, and the public file of one. Bounded; raises VerificationFailed only.

{"v": 1, "tenant", "sequence", "issued", "not_after", "keys": [{"key", "purpose", "aliases", "revoked"?, "versions":
[{"name", "algorithm", "state", "spki" or "public_key", "activate"?, "deactivate"?, "compromised"?, "revoked"?,
"destroy"?}]}]}; times are RFC 3339, keys base64 (SubjectPublicKeyInfo in DER; raw for HPKE).
"""

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from hallmark_client.errors import VerificationFailed
from hallmark_client.model.result import Result

MAX_BYTES: Final = 16 * 1024 * 1024
_MALFORMED: Final = (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError, binascii.Error)


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleVersion(Result):
    """One version in a bundle. spki: DER, empty for HPKE keys, whose raw key is public_key."""

    name: str
    algorithm: str
    state: str
    spki: bytes
    public_key: bytes
    activate_time: datetime | None
    deactivate_time: datetime | None
    compromise_time: datetime | None
    revoke_time: datetime | None
    destroy_time: datetime | None

    @property
    def is_distrusted(self) -> bool:
        """Revoked or compromised, from whenever on."""
        return self.revoke_time is not None or self.compromise_time is not None

    def check_valid(self, at: datetime) -> None:
        """It was allowed to sign at that moment. Raises VerificationFailed (VERSION_NOT_VALID)."""
        begun = self.state != "PRE_ACTIVE" and self.activate_time is not None and self.activate_time <= at
        rotated_out = self.deactivate_time is not None and self.deactivate_time < at
        distrusted = any(since is not None and since <= at for since in (self.revoke_time, self.compromise_time))
        if not begun or rotated_out or distrusted:
            raise VerificationFailed("VERSION_NOT_VALID", f"{self.name} was not valid at {at.isoformat()}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleKey(Result):
    """A key in a bundle, versions newest first."""

    name: str
    purpose: str
    aliases: tuple[str, ...]
    revoke_time: datetime | None
    versions: tuple[BundleVersion, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """What the signed bytes say."""

    tenant: str
    sequence: int
    issued: datetime
    not_after: datetime
    keys: tuple[BundleKey, ...]


def read_payload(payload: bytes) -> Payload:
    """Call it on bytes whose signature has been verified. Raises VerificationFailed (BUNDLE_INVALID)."""
    try:
        content = _object(payload)
        if content["v"] != 1:
            raise ValueError("another version")
        return Payload(
            tenant=_text(content["tenant"]),
            sequence=_number(content["sequence"]),
            issued=_time(content["issued"]),
            not_after=_time(content["not_after"]),
            keys=tuple(_key(key) for key in _list(content["keys"])),
        )
    except _MALFORMED as error:
        raise VerificationFailed("BUNDLE_INVALID", "the signed bundle is not what it should be") from error


def read_document(document: bytes) -> dict[str, Any]:
    """Members of a public file: payload, signature, key_version, context, sign_time, sequence.

    Raises VerificationFailed (BUNDLE_INVALID).
    """
    try:
        content = _object(document)
        return {
            "payload": _bytes(content["payload"]),
            "signature": _bytes(content["signature"]),
            "key_version": _text(content["key_version"]),
            "context": _text(content["context"]),
            "sign_time": _time(content["sign_time"]),
            "sequence": _number(content["sequence"]),
        }
    except _MALFORMED as error:
        raise VerificationFailed("BUNDLE_INVALID", "these bytes are no public trust bundle") from error


def _key(value: Any) -> BundleKey:
    return BundleKey(
        name=_text(value["key"]),
        purpose=_text(value["purpose"]),
        aliases=tuple(_text(alias) for alias in _list(value["aliases"])),
        revoke_time=_time_or_none(value, "revoked"),
        versions=tuple(_version(version) for version in _list(value["versions"])),
    )


def _version(value: Any) -> BundleVersion:
    return BundleVersion(
        name=_text(value["name"]),
        algorithm=_text(value["algorithm"]),
        state=_text(value["state"]),
        spki=_bytes(value["spki"]) if "spki" in value else b"",
        public_key=b"" if "spki" in value else _bytes(value["public_key"]),
        activate_time=_time_or_none(value, "activate"),
        deactivate_time=_time_or_none(value, "deactivate"),
        compromise_time=_time_or_none(value, "compromised"),
        revoke_time=_time_or_none(value, "revoked"),
        destroy_time=_time_or_none(value, "destroy"),
    )


def _object(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_BYTES:
        raise ValueError("too large")
    content = json.loads(data)
    if not isinstance(content, dict):
        raise TypeError("not an object")
    return content


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("not an array")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a string")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("not an integer")
    return value


def _time(value: object) -> datetime:
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment.astimezone(UTC)


def _time_or_none(value: Any, member: str) -> datetime | None:
    return _time(value[member]) if member in value else None


def _bytes(value: object) -> bytes:
    return base64.b64decode(_text(value), validate=True)
