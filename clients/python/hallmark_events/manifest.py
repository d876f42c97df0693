"""The manifest of the read plane: what is current, signed and logged, as canonical JSON.

{"format": "hallmark-status/v1", "iss", "tenant", "epoch": hex, "number", "sequence": of the global feed, "issued_at",
 "not_after", "previous": SHA-256 of the one before in hex, or "", "state": {"sha256", "size"}, "state_digest": hex,
 "lists": [{"list", "uri", "bits", "size": statuses, "sha256": of the zlib bytes, "raw_sha256"}],
 "deltas": [{"from": number, "sha256", "size"}], "leases_until"?: {seconds of promised removal: RFC 3339}}

Beside it stand manifest.sig, canonical JSON {"key_version", "context", "sign_time", "signature": base64}, and
manifest.tlog-proof, whose `extra` line holds the log entry: of type status.published, with payload_sha256.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final, Self

from hallmark_events.canonical import (
    INTEGER_MAX,
    Json,
    canonical_json,
    encode_base64,
    format_time,
    parse_base64,
    parse_canonical,
    parse_hex,
    parse_time,
)
from hallmark_events.errors import SnapshotInvalid
from hallmark_events.status_list import BITS, RAW_BYTES_MAX
from hallmark_events.trust import Logged, Signature
from hallmark_events.types import MANIFEST_CONTEXT

FORMAT: Final = "hallmark-status/v1"
ENTRY_TYPE: Final = "status.published"
MANIFEST_BYTES_MAX: Final = 2**20
SIGNATURE_BYTES_MAX: Final = 16_384
FILE_BYTES_MAX: Final = 256 * 2**20
LISTS_MAX: Final = 1_000
DELTAS_MAX: Final = 1_000

_MEMBERS = {
    "format", "iss", "tenant", "epoch", "number", "sequence", "issued_at", "not_after", "previous", "state",
    "state_digest", "lists", "deltas",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class FileRef:
    """A content-addressed file, at sets/{sha256}."""

    sha256: str
    size: int

    @property
    def path(self) -> str:
        return f"sets/{self.sha256}"

    def to_json(self) -> dict[str, Json]:
        return {"sha256": self.sha256, "size": self.size}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRef:
    """A status list: zlib bytes at sets/{sha256}. size: statuses. raw_sha256: before zlib, in hexadecimal."""

    number: int
    uri: str
    bits: int
    size: int
    sha256: str
    raw_sha256: str

    @property
    def path(self) -> str:
        return f"sets/{self.sha256}"

    def to_json(self) -> dict[str, Json]:
        return {
            "list": self.number,
            "uri": self.uri,
            "bits": self.bits,
            "size": self.size,
            "sha256": self.sha256,
            "raw_sha256": self.raw_sha256,
        }


@dataclass(frozen=True, slots=True)
class DeltaRef:
    """What leads from manifest `start` to this one."""

    start: int
    file: FileRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A parsed manifest. epoch: 16 bytes. state_digest: 32 bytes. previous: hexadecimal, or empty."""

    issuer: str
    tenant: str
    epoch: bytes
    number: int
    sequence: int
    issued_at: datetime
    not_after: datetime
    previous: str
    state: FileRef
    state_digest: bytes
    lists: tuple[ListRef, ...] = ()
    deltas: tuple[DeltaRef, ...] = ()
    leases_until: Mapping[int, datetime] = field(default_factory=dict)
    """By seconds of promised removal: until when leases that the lists call VALID are good."""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """At most 1 MiB. Raises SnapshotInvalid."""
        found = parse_canonical(data, what="a manifest", max_bytes=MANIFEST_BYTES_MAX, refuse=SnapshotInvalid)
        if found.keys() - {"leases_until"} != _MEMBERS or found["format"] != FORMAT:
            raise SnapshotInvalid(f"the manifest is not of format {FORMAT}, or lacks members of it")
        issued_at = _time(found["issued_at"], "issued_at")
        not_after = _time(found["not_after"], "not_after")
        if issued_at >= not_after:
            raise SnapshotInvalid("the manifest ends before it was issued")
        return cls(
            issuer=_text(found["iss"], "iss"),
            tenant=_text(found["tenant"], "tenant"),
            epoch=_hex(found["epoch"], 16, "epoch"),
            number=_count(found["number"], "number", least=1),
            sequence=_count(found["sequence"], "sequence"),
            issued_at=issued_at,
            not_after=not_after,
            previous="" if found["previous"] == "" else _hex(found["previous"], 32, "previous").hex(),
            state=_file(found["state"]),
            state_digest=_hex(found["state_digest"], 32, "state_digest"),
            lists=_lists(found["lists"]),
            deltas=_deltas(found["deltas"]),
            leases_until=MappingProxyType(_leases_until(found.get("leases_until", {}))),
        )

    def encode(self) -> bytes:
        """The bytes that are signed, which `parse` reads. Raises SnapshotInvalid."""
        value: dict[str, Json] = {
            "format": FORMAT,
            "iss": self.issuer,
            "tenant": self.tenant,
            "epoch": self.epoch.hex(),
            "number": self.number,
            "sequence": self.sequence,
            "issued_at": format_time(self.issued_at),
            "not_after": format_time(self.not_after),
            "previous": self.previous,
            "state": self.state.to_json(),
            "state_digest": self.state_digest.hex(),
            "lists": [one.to_json() for one in self.lists],
            "deltas": [{"from": one.start, **one.file.to_json()} for one in self.deltas],
        }
        if self.leases_until:
            value["leases_until"] = {str(key): format_time(until) for key, until in self.leases_until.items()}
        data = canonical_json(value)
        self.parse(data)
        return data


@dataclass(frozen=True, slots=True)
class SeenManifest:
    """The last one that was believed, to be stored: later ones only go up. sha256: of its bytes, hexadecimal."""

    epoch: bytes
    number: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedManifest:
    """Proved: signed by a trusted key, in the log, not over yet, and not older than the last one."""

    manifest: Manifest
    seen: SeenManifest
    signed_by: str
    logged: Logged


def encode_manifest_signature(signature: Signature, sign_time: datetime) -> bytes:
    """The file manifest.sig."""
    return canonical_json(
        {
            "key_version": signature.key_version,
            "context": MANIFEST_CONTEXT.decode(),
            "sign_time": format_time(sign_time),
            "signature": encode_base64(signature.signature),
        }
    )


def parse_manifest_signature(data: bytes) -> Signature:
    """Raises SnapshotInvalid."""
    what = "a manifest's signature"
    match parse_canonical(data, what=what, max_bytes=SIGNATURE_BYTES_MAX, refuse=SnapshotInvalid):
        case {"key_version": str(key_version), "context": str(context), "signature": signature, "sign_time": time}:
            _time(time, "sign_time")
        case _:
            raise SnapshotInvalid(f"{what} has key_version, context, sign_time and signature")
    if context != MANIFEST_CONTEXT.decode():
        raise SnapshotInvalid(f"{what} is of another context")
    decoded = parse_base64(signature, what="the signature", refuse=SnapshotInvalid)
    return Signature(key_version=key_version, signature=decoded)


def sha256_hex(data: bytes) -> str:
    return sha256(data).hexdigest()


def _file(value: object) -> FileRef:
    match value:
        case {"sha256": digest, "size": size, **rest} if rest.keys() <= {"from"}:
            return FileRef(_hex(digest, 32, "sha256").hex(), _count(size, "size", most=FILE_BYTES_MAX))
        case _:
            raise SnapshotInvalid("a file of a manifest has sha256 and size")


def _lists(value: object) -> tuple[ListRef, ...]:
    if not isinstance(value, list) or len(value) > LISTS_MAX:
        raise SnapshotInvalid(f"lists is an array of at most {LISTS_MAX}")
    found = tuple(map(_list_ref, value))
    if len({one.number for one in found}) != len(found) or len({one.uri for one in found}) != len(found):
        raise SnapshotInvalid("two lists of a manifest have the same number or uri")
    return found


def _list_ref(value: Any) -> ListRef:
    match value:
        case {"list": number, "uri": uri, "bits": bits, "size": size, "sha256": digest, "raw_sha256": raw} if (
            len(value) == 6
        ):
            ref = ListRef(
                number=_count(number, "list"),
                uri=_text(uri, "uri"),
                bits=_count(bits, "bits"),
                size=_count(size, "size"),
                sha256=_hex(digest, 32, "sha256").hex(),
                raw_sha256=_hex(raw, 32, "raw_sha256").hex(),
            )
        case _:
            raise SnapshotInvalid("a list of a manifest has list, uri, bits, size, sha256 and raw_sha256")
    if ref.bits not in BITS or ref.size * ref.bits > 8 * RAW_BYTES_MAX or ref.size * ref.bits % 8:
        raise SnapshotInvalid("a list of a manifest has bits or a size that no list has")
    return ref


def _deltas(value: object) -> tuple[DeltaRef, ...]:
    if not isinstance(value, list) or len(value) > DELTAS_MAX:
        raise SnapshotInvalid(f"deltas is an array of at most {DELTAS_MAX}")
    found = []
    for one in value:
        if not isinstance(one, dict):
            raise SnapshotInvalid("a delta of a manifest is an object")
        found.append(DeltaRef(_count(one.get("from"), "from", least=1), _file(one)))
    return tuple(found)


def _leases_until(value: object) -> dict[int, datetime]:
    if not isinstance(value, dict):
        raise SnapshotInvalid("leases_until is an object")
    found = {}
    for key, until in value.items():
        if not key.isdecimal() or len(key) > 10 or str(int(key)) != key:
            raise SnapshotInvalid("leases_until goes by whole seconds")
        found[int(key)] = _time(until, "leases_until")
    return found


def _time(value: object, what: str) -> datetime:
    return parse_time(value, what=what, refuse=SnapshotInvalid)


def _hex(value: object, size: int, what: str) -> bytes:
    return parse_hex(value, size, what=what, refuse=SnapshotInvalid)


def _text(value: object, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise SnapshotInvalid(f"{what} of a manifest is text")
    return value


def _count(value: object, what: str, *, least: int = 0, most: int = INTEGER_MAX) -> int:
    if type(value) is not int or not least <= value <= most:
        raise SnapshotInvalid(f"{what} of a manifest is an integer from {least} to {most}")
    return value
