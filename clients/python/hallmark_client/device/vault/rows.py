"""One artifact's row: canonical JSON of everything that is known of it, except where its encrypted bytes lie.

These bytes are the associated data of the wrapped key. Whoever edits a row in the index loses the key with it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from hallmark_client.device.errors import ContentInvalid
from hallmark_client.device.model import Artifact, ArtifactState, Part
from hallmark_client.model.consents import ArtifactKind
from hallmark_events.canonical import (
    Json,
    canonical_json,
    encode_base64,
    format_time,
    parse_base64,
    parse_canonical,
    parse_time,
)

ROW_MAX: Final = 64 * 1024 * 1024
"""Bytes: room for the parts of a release of a hundred thousand files."""
TEXT_MAX: Final = 256
LABELS_MAX: Final = 64

_TYPES: Final = {
    **dict.fromkeys(("artifact_id", "digest", "name", "tenant", "why"), str),
    **dict.fromkeys(("epoch", "size", "version"), int),
    "needs_permission": bool,
}
_BLOB: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """why: it was suspended, or who deleted it. sealed_uses, sealed_until: limits that the root of trust enforces."""

    why: str = ""
    sealed_uses: int | None = None
    sealed_until: datetime | None = None


NO_NOTES: Final = Notes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """artifact: with its parts. data: the authenticated bytes. wrapped: its key under the epoch key; empty once it was
    deleted. notes: what else is bound. share: see shares.py; empty without limits of the root.
    """

    artifact: Artifact
    data: bytes
    wrapped: bytes
    notes: Notes
    share: bytes = b""

    @property
    def blobs(self) -> tuple[tuple[str, int], ...]:
        return tuple((part.blob, part.blob_size) for part in self.artifact.parts)


def stored_context(artifact: Artifact, part: str) -> bytes:
    """What a file that was encrypted here is bound to, beside its key."""
    return canonical_json(
        {
            "artifact": artifact.artifact_id,
            "epoch": artifact.epoch,
            "name": artifact.name,
            "part": part,
            "tenant": artifact.tenant,
            "version": artifact.version,
        }
    )


def row_data(artifact: Artifact, notes: Notes = NO_NOTES) -> bytes:
    """Raises ValueError for what has no canonical form, such as a name that is not Unicode."""
    return canonical_json(
        {
            "artifact_id": artifact.artifact_id,
            "created_at": format_time(artifact.created_at),
            "digest": artifact.digest,
            "epoch": artifact.epoch,
            "kind": artifact.kind.value,
            "labels": [[key, value] for key, value in sorted(artifact.labels.items())],
            "name": artifact.name,
            "needs_permission": artifact.needs_permission,
            "parts": [_part_json(part) for part in artifact.parts],
            "sealed_until": format_time(notes.sealed_until) if notes.sealed_until else None,
            "sealed_uses": notes.sealed_uses,
            "size": artifact.size,
            "state": artifact.state.value,
            "tenant": artifact.tenant,
            "v": 1,
            "version": artifact.version,
            "why": notes.why,
        }
    )


def read_row(data: bytes, wrapped: bytes, share: bytes, blobs: Sequence[tuple[str, int]]) -> Row:
    """blobs: name and size of each part's encrypted bytes, in order. Raises ContentInvalid for anything else than
    `row_data` wrote; whether it was changed is only known when the key was unwrapped.
    """
    found = parse_canonical(data, what="a row of the index", max_bytes=ROW_MAX, refuse=_refuse)
    try:
        if not all(isinstance(found[name], kind) for name, kind in _TYPES.items()):
            raise TypeError("a member is of the wrong type")
        artifact = _artifact(found, blobs)
        until = found["sealed_until"]
        notes = Notes(
            why=found["why"],
            sealed_uses=found["sealed_uses"],
            sealed_until=None if until is None else parse_time(until, what="sealed_until", refuse=_refuse),
        )
        if row_data(artifact, notes) != data:
            raise ValueError("another spelling")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _refuse(f"a row of the index is not what is written here: {error!r}") from error
    return Row(artifact=artifact, data=data, wrapped=wrapped, notes=notes, share=share)


def tombstone(row: Row, by: str) -> Row:
    """Without its key, from now on. by: who deleted it, for the audit entry."""
    artifact, notes = replace(row.artifact, state=ArtifactState.DELETING), Notes(why=by)
    return Row(artifact=artifact, data=row_data(artifact, notes), wrapped=b"", notes=notes)


def secret_bound(label: str) -> bytes:
    """What a secret of the vault is bound to: never the bytes of a row."""
    return canonical_json({"secret": label})


def is_blob_name(name: str) -> bool:
    """It becomes the name of a file."""
    return _BLOB.fullmatch(name) is not None


def check_naming(name: str, version: int, labels: Mapping[str, str]) -> None:
    """Raises ValueError that says what may be."""
    if not 1 <= len(name) <= TEXT_MAX or not name.isprintable():
        raise ValueError(f"the name of an artifact has 1 to {TEXT_MAX} printable characters")
    if type(version) is not int or not 0 <= version < 2**53:
        raise ValueError("the version of an artifact is a number from 0 to 2^53")
    texts = [*labels.keys(), *labels.values()]
    if len(labels) > LABELS_MAX or any(len(text) > TEXT_MAX for text in texts):
        raise ValueError(f"at most {LABELS_MAX} labels, of texts of at most {TEXT_MAX} characters")


def _part_json(part: Part) -> dict[str, Json]:
    return {"context": encode_base64(part.context), "path": part.path, "sha256": part.sha256, "size": part.size}


def _artifact(found: Mapping[str, Any], blobs: Sequence[tuple[str, int]]) -> Artifact:
    return Artifact(
        artifact_id=found["artifact_id"],
        name=found["name"],
        kind=ArtifactKind(found["kind"]),
        version=found["version"],
        tenant=found["tenant"],
        digest=found["digest"],
        size=found["size"],
        epoch=found["epoch"],
        state=ArtifactState(found["state"]),
        needs_permission=found["needs_permission"],
        created_at=parse_time(found["created_at"], what="created_at", refuse=_refuse),
        parts=tuple(_part(part, *blob) for part, blob in zip(found["parts"], blobs, strict=True)),
        labels=MappingProxyType(dict(found["labels"])),
    )


def _part(found: Mapping[str, Any], blob: str, blob_size: int) -> Part:
    context = parse_base64(found["context"], what="a context", refuse=_refuse)
    if not is_blob_name(blob) or not all(isinstance(found[name], str) for name in ("path", "sha256")):
        raise ValueError("a part is not one")
    if not isinstance(found["size"], int):
        raise TypeError("the size of a part is a number")
    return Part(
        path=found["path"], size=found["size"], sha256=found["sha256"], blob=blob, blob_size=blob_size, context=context
    )


def _refuse(why: str) -> ContentInvalid:
    return ContentInvalid("CONTENT_INVALID", why)
