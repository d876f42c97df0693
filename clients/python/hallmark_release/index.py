"""The distribution index: where the encrypted bytes of a release are, and how to know them piece by piece.

Canonical JSON, one spelling:

{"cipher":"cobblestone-256","kind":"model-weights","parts":[{"encrypted_size":...,"path":...,"pieces":[SHA-256 of each
4 MiB of the encrypted file, hex],"sha256":...,"size":...}],"piece_size":4194304,
"release":{"epoch","minimum_epoch","model","tenant","version"},"release_id":32 hex digits,"statement_sha256":...,
"type":"hallmark/release-index/v1"}

A part is one file, encrypted as one message of C2SP chunked-encryption (Cobblestone-256) under the release's content
key: 24-byte salt, 32-byte commitment, chunks of 16 KiB each with a 16-byte tag, the last one short. It lies at
`parts/<first two digits>/<name>` of the repository, where the name (hex) is SHA-256("hallmark/release-part/v1" || LF ||
the digests of its pieces). So who has compared the pieces has proved the name, and nobody can say another file's.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from hallmark_events.canonical import canonical_json, parse_canonical, parse_hex
from hallmark_release.errors import FormatInvalid, ReleaseMismatch
from hallmark_release.names import (
    FILES_MAX,
    checked_digest,
    checked_kind,
    checked_list,
    checked_number,
    checked_object,
    checked_path,
    checked_release_id,
    meeting_paths,
    path_order,
)
from hallmark_release.statement import ReleaseId, Statement, parse_release_id

TYPE: Final = "hallmark/release-index/v1"
CIPHER: Final = "cobblestone-256"
PIECE_SIZE: Final = 4 * 1024 * 1024
INDEX_BYTES_MAX: Final = 32 * 1024 * 1024
PIECES_MAX: Final = 200_000
HEADER_BYTES: Final = 24 + 32
CHUNK_BYTES: Final = 16 * 1024
TAG_BYTES: Final = 16

_SIZE_MAX: Final = 2**50
_MEMBERS: Final = frozenset(
    {"cipher", "kind", "parts", "piece_size", "release", "release_id", "statement_sha256", "type"}
)
_PART_MEMBERS: Final = frozenset({"encrypted_size", "path", "pieces", "sha256", "size"})
_NAME: Final = b"hallmark/release-part/v1\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexPart:
    """One file. size, sha256 (hex): of the plaintext. encrypted_size: of the encrypted file. pieces: SHA-256 (32 bytes)
    of each 4 MiB of it, the last may be short.
    """

    path: str
    size: int
    sha256: str
    encrypted_size: int
    pieces: tuple[bytes, ...]

    @property
    def name(self) -> str:
        """64 hex digits that stand for these encrypted bytes and no others: a digest of `pieces`."""
        return hashlib.sha256(_NAME + b"".join(self.pieces)).hexdigest()

    @property
    def location(self) -> str:
        """Path below the repository."""
        name = self.name
        return f"parts/{name[:2]}/{name}"


@dataclass(frozen=True)  # no slots: the bytes are kept once they were written
class ReleaseIndex:
    """release_id: 32 hex digits, random, of whoever built it. statement_sha256: 32 bytes. Raises FormatInvalid for
    what has no valid index.
    """

    release: ReleaseId
    release_id: str
    kind: str
    statement_sha256: bytes
    parts: tuple[IndexPart, ...]

    def __post_init__(self) -> None:
        checked_release_id(self.release_id, "the release id")
        checked_kind(self.kind, "the kind")
        paths = [checked_path(part.path, "the index") for part in self.parts]
        if not 1 <= len(paths) <= FILES_MAX or sum(len(part.pieces) for part in self.parts) > PIECES_MAX:
            raise FormatInvalid(f"an index has 1 to {FILES_MAX} parts and at most {PIECES_MAX} pieces")
        if paths != sorted(set(paths), key=path_order) or meeting_paths(paths):
            raise FormatInvalid("the parts of an index are in order and can all lie in one folder")
        if len(self.statement_sha256) != hashlib.sha256().digest_size:
            raise FormatInvalid("the digest of the statement has 32 bytes")
        for part in self.parts:
            _check_part(part)

    @cached_property
    def data(self) -> bytes:
        """The canonical bytes."""
        return canonical_json(
            {
                "cipher": CIPHER,
                "kind": self.kind,
                "parts": [_part_document(part) for part in self.parts],
                "piece_size": PIECE_SIZE,
                "release": self.release.to_dict(),
                "release_id": self.release_id,
                "statement_sha256": self.statement_sha256.hex(),
                "type": TYPE,
            }
        )

    @property
    def sha256(self) -> bytes:
        """32 bytes."""
        return hashlib.sha256(self.data).digest()

    @property
    def size(self) -> int:
        """Bytes of all plaintexts."""
        return sum(part.size for part in self.parts)

    @property
    def encrypted_size(self) -> int:
        """Bytes to be fetched."""
        return sum(part.encrypted_size for part in self.parts)

    def part(self, path: str) -> IndexPart:
        """Raises KeyError."""
        return self._by_path[path]

    def context(self, part: IndexPart) -> bytes:
        """What the part's encryption is bound to beside the content key: give it to the vault with the part."""
        return part_context(self.release, release_id=self.release_id, path=part.path)

    def check_statement(self, statement: Statement) -> None:
        """Raises ReleaseMismatch unless both speak of the same release with the same files."""
        if self.statement_sha256 != statement.sha256 or self.release != statement.release:
            raise ReleaseMismatch("the index belongs to another release than the statement")
        if [(part.path, part.size) for part in self.parts] != [(file.path, file.size) for file in statement.files]:
            raise ReleaseMismatch("the index and the statement have different files")

    @cached_property
    def _by_path(self) -> Mapping[str, IndexPart]:
        return {part.path: part for part in self.parts}


def parse_index(data: bytes) -> ReleaseIndex:
    """Raises FormatInvalid unless `data` is the one spelling of an index."""
    document = parse_canonical(data, what="the index", max_bytes=INDEX_BYTES_MAX, refuse=FormatInvalid)
    top = checked_object(document, _MEMBERS, "the index")
    if (top["type"], top["cipher"], top["piece_size"]) != (TYPE, CIPHER, PIECE_SIZE):
        raise FormatInvalid("the index is of another type, cipher or piece size than this reader knows")
    return ReleaseIndex(
        release=parse_release_id(top["release"]),
        release_id=checked_release_id(top["release_id"], "the release id"),
        kind=checked_kind(top["kind"], "the kind"),
        statement_sha256=parse_hex(top["statement_sha256"], 32, what="statement_sha256", refuse=FormatInvalid),
        parts=tuple(_part(each) for each in checked_list(top["parts"], "the parts", least=1, most=FILES_MAX)),
    )


def part_context(release: ReleaseId, *, release_id: str, path: str) -> bytes:
    """Canonical JSON {"epoch","model","part","release","tenant"}."""
    return canonical_json(
        {
            "epoch": release.epoch,
            "model": release.model,
            "part": path,
            "release": release_id,
            "tenant": release.tenant,
        }
    )


def encrypted_size(size: int) -> int:
    """Bytes of a Cobblestone message with `size` bytes of plaintext: its last chunk is short, and may be empty."""
    return HEADER_BYTES + size + TAG_BYTES * (size // CHUNK_BYTES + 1)


def _part(value: object) -> IndexPart:
    found = checked_object(value, _PART_MEMBERS, "a part")
    pieces = checked_list(found["pieces"], "the pieces of a part", least=1, most=PIECES_MAX)
    return IndexPart(
        path=checked_path(found["path"], "the index"),
        size=checked_number(found["size"], "the size of a part", least=1, most=_SIZE_MAX),
        sha256=checked_digest(found["sha256"], "the digest of a part"),
        encrypted_size=checked_number(found["encrypted_size"], "the encrypted size of a part", most=_SIZE_MAX),
        pieces=tuple(parse_hex(each, 32, what="the digest of a piece", refuse=FormatInvalid) for each in pieces),
    )


def _part_document(part: IndexPart) -> dict[str, Any]:
    return {
        "encrypted_size": part.encrypted_size,
        "path": part.path,
        "pieces": [digest.hex() for digest in part.pieces],
        "sha256": part.sha256,
        "size": part.size,
    }


def _check_part(part: IndexPart) -> None:
    checked_number(part.size, "the size of a part", least=1, most=_SIZE_MAX)
    checked_digest(part.sha256, "the digest of a part")
    if part.encrypted_size != encrypted_size(part.size):
        raise FormatInvalid(f"{part.path!r} has another encrypted size than its size says")
    if len(part.pieces) != -(-part.encrypted_size // PIECE_SIZE) or {len(each) for each in part.pieces} != {32}:
        raise FormatInvalid(f"{part.path!r} has another number of pieces than its encrypted size says")
