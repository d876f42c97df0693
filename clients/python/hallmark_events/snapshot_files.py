"""The files that a manifest names: the state of the global feed, and what changed since an earlier manifest.

state: {"events": [EVENT, ...]}, the newest event of each subject, sorted by subject
delta: {"from": number, "to": number, "events": [EVENT, ...], "lists": [{"list": n, "changes": [[index, value], ...]}]}
EVENT: {"set": base64, "signature": {"key_version", "context", "sign_time", "signature": base64} | null,
        "tlog_proof": base64 | null, "entry": base64 | null}

All canonical JSON.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hallmark_events.canonical import Json, canonical_json, encode_base64, parse_base64, parse_canonical
from hallmark_events.errors import SnapshotInvalid
from hallmark_events.manifest import FILE_BYTES_MAX
from hallmark_events.trust import LogEvidence, Signature
from hallmark_events.verified import EventEvidence

_EVENT = {"set", "signature", "tlog_proof", "entry"}


@dataclass(frozen=True, slots=True)
class PackedEvent:
    """An event with its evidence, not verified."""

    data: bytes
    evidence: EventEvidence


@dataclass(frozen=True, slots=True)
class ListChanges:
    """New values of one status list: (index, value)."""

    number: int
    changes: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Delta:
    """From manifest `start` to manifest `end`."""

    start: int
    end: int
    events: tuple[PackedEvent, ...]
    lists: tuple[ListChanges, ...]


def pack_event(
    data: bytes,
    *,
    signature: Signature | None = None,
    sign_time: str = "",
    context: str = "",
    log: LogEvidence | None = None,
) -> dict[str, Json]:
    """One EVENT as JSON. sign_time (RFC 3339) and context are told for readers, and not believed by them."""
    log = log or LogEvidence()
    signed: dict[str, Json] | None = None
    if signature is not None:
        signed = {
            "key_version": signature.key_version,
            "context": context,
            "sign_time": sign_time,
            "signature": encode_base64(signature.signature),
        }
    return {
        "set": encode_base64(data),
        "signature": signed,
        "tlog_proof": encode_base64(log.tlog_proof) if log.tlog_proof else None,
        "entry": encode_base64(log.entry) if log.entry else None,
    }


def encode_state(events: Sequence[Json]) -> bytes:
    """Of packed events. The caller sorts them by subject, so that equal states are equal files."""
    return canonical_json({"events": events})


def encode_delta(*, start: int, end: int, events: Sequence[Json], lists: Sequence[ListChanges]) -> bytes:
    changed: list[Json] = [
        {"list": one.number, "changes": [[index, value] for index, value in one.changes]} for one in lists
    ]
    return canonical_json({"from": start, "to": end, "events": events, "lists": changed})


def parse_state(data: bytes) -> tuple[PackedEvent, ...]:
    """Raises SnapshotInvalid."""
    match parse_canonical(data, what="a state file", max_bytes=FILE_BYTES_MAX, refuse=SnapshotInvalid):
        case {"events": list(events), **rest} if not rest:
            return tuple(map(_event, events))
        case _:
            raise SnapshotInvalid("a state file has exactly the array events")


def parse_delta(data: bytes) -> Delta:
    """Raises SnapshotInvalid."""
    match parse_canonical(data, what="a delta", max_bytes=FILE_BYTES_MAX, refuse=SnapshotInvalid):
        case {"from": int(start), "to": int(end), "events": list(events), "lists": list(lists), **rest} if (
            not rest and type(start) is type(end) is int
        ):
            return Delta(start, end, tuple(map(_event, events)), tuple(map(_changes, lists)))
        case _:
            raise SnapshotInvalid("a delta has exactly from, to, events and lists")


def _event(value: Any) -> PackedEvent:
    if not isinstance(value, dict) or value.keys() != _EVENT:
        raise SnapshotInvalid("an event of a file has set, signature, tlog_proof and entry")
    log = LogEvidence(entry=_optional(value["entry"]), tlog_proof=_optional(value["tlog_proof"]))
    return PackedEvent(_bytes(value["set"]), EventEvidence(signature=_signature(value["signature"]), log=log))


def _signature(value: object) -> Signature | None:
    match value:
        case None:
            return None
        case {"key_version": str(key_version), "signature": signature}:
            return Signature(key_version=key_version, signature=_bytes(signature))
        case _:
            raise SnapshotInvalid("a signature of a file has key_version and signature")


def _changes(value: object) -> ListChanges:
    match value:
        case {"list": int(number), "changes": list(changes), **rest} if not rest and type(number) is int:
            return ListChanges(number, tuple(map(_change, changes)))
        case _:
            raise SnapshotInvalid("the changes of a list have list and changes")


def _change(value: object) -> tuple[int, int]:
    match value:
        case [int(index), int(status)] if type(index) is type(status) is int:  # a bool is an int, too
            return index, status
        case _:
            raise SnapshotInvalid("a change of a list is an index and a value")


def _optional(value: object) -> bytes:
    return b"" if value is None else _bytes(value)


def _bytes(value: object) -> bytes:
    return parse_base64(value, what="a member of a file", refuse=SnapshotInvalid)
