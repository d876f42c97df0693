"""The statement: which files a release has, shard by shard. What is signed, and what OpenSSF verifiers read.

An in-toto Statement v1 (in-toto attestation, spec/v1/statement) with the predicate of OpenSSF Model Signing v1.0,
serialization "shards" of 4 MiB, SHA-256. Its one spelling is canonical JSON (hallmark_events.canonical):

  subject      one: name = the model; digest = SHA-256 over the digests of all resources, one after the other
  predicate    serialization {method, hash_type, shard_size, allow_symlinks, ignore_paths}; resources [{name
               "<path>:<start>:<end>", algorithm "sha256-sharded-4194304", digest}], sorted by path, folder by folder

and one member that Model Signing tells its verifiers to ignore: predicate.release {tenant, model, version, epoch,
minimum_epoch}. So the two signatures cover the epoch too. The SHA-256 of the statement is the release's artifact id.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from hallmark_events.canonical import canonical_json, parse_canonical, parse_hex
from hallmark_release.errors import FormatInvalid
from hallmark_release.names import (
    EPOCH_MAX,
    FILES_MAX,
    checked_id,
    checked_list,
    checked_number,
    checked_object,
    checked_path,
    checked_version,
    meeting_paths,
    path_order,
    why_not_path,
)

SHARD_SIZE: Final = 4 * 1024 * 1024
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://model_signing/signature/v1.0"
STATEMENT_BYTES_MAX: Final = 32 * 1024 * 1024
SHARDS_MAX: Final = 200_000
"""About 780 GiB."""

_ALGORITHM: Final = f"sha256-sharded-{SHARD_SIZE}"
_IGNORED_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class SignedFile:
    """path: relative, POSIX. size: bytes, from 1. shards: SHA-256 (32 bytes) of each 4 MiB; the last may be short."""

    path: str
    size: int
    shards: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseId:
    """Which release of what. epoch: from 1, greater than that of every earlier release of the model."""

    tenant: str
    model: str
    version: str
    epoch: int
    minimum_epoch: int

    def __post_init__(self) -> None:
        checked_id(self.tenant, "the tenant")
        checked_id(self.model, "the model")
        checked_version(self.version, "the version")
        checked_number(self.epoch, "the epoch", least=1)
        checked_number(self.minimum_epoch, "the minimum epoch", most=self.epoch)

    def to_dict(self) -> dict[str, str | int]:
        names = ("epoch", "minimum_epoch", "model", "tenant", "version")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)  # no slots: the payload is kept once it was written
class Statement:
    """Files sorted by path. ignore_paths: what a verifier of a folder does not look at; sorted. Raises FormatInvalid
    for what has no valid statement.
    """

    release: ReleaseId
    files: tuple[SignedFile, ...]
    ignore_paths: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        paths = [file.path for file in self.files]
        if not 1 <= len(paths) <= FILES_MAX or sum(len(file.shards) for file in self.files) > SHARDS_MAX:
            raise FormatInvalid(f"a release has 1 to {FILES_MAX} files and at most {SHARDS_MAX} shards")
        for path in (*paths, *self.ignore_paths):
            checked_path(path, "the statement")
        if paths != sorted(set(paths), key=path_order) or meeting_paths(paths):
            raise FormatInvalid("the paths of a statement are in order and can all lie in one folder")
        if list(self.ignore_paths) != sorted(set(self.ignore_paths)) or len(self.ignore_paths) > _IGNORED_MAX:
            raise FormatInvalid(f"ignored paths are sorted, each once, at most {_IGNORED_MAX}")
        for file in self.files:
            if file.size < 1 or len(file.shards) != shard_count(file.size) or {len(d) for d in file.shards} != {32}:
                raise FormatInvalid(f"{file.path!r} has another number of shards than its size says")

    @cached_property
    def payload(self) -> bytes:
        """The canonical bytes: DSSE payload."""
        return canonical_json(_document(self))

    @property
    def sha256(self) -> bytes:
        """32 bytes: the release's artifact id at the service."""
        return hashlib.sha256(self.payload).digest()

    @property
    def root_digest(self) -> bytes:
        """SHA-256 over all shard digests in order: the subject's digest."""
        return hashlib.sha256(b"".join(digest for file in self.files for digest in file.shards)).digest()


def parse_statement(data: bytes) -> Statement:
    """The one accepted spelling is the one that `Statement.payload` writes. Raises FormatInvalid."""
    document = parse_canonical(data, what="the statement", max_bytes=STATEMENT_BYTES_MAX, refuse=FormatInvalid)
    top = checked_object(document, frozenset({"_type", "predicate", "predicateType", "subject"}), "the statement")
    predicate = checked_object(top["predicate"], frozenset({"release", "resources", "serialization"}), "the predicate")
    serialization = predicate["serialization"]
    ignored = serialization.get("ignore_paths", []) if isinstance(serialization, dict) else []
    statement = Statement(
        release=parse_release_id(predicate["release"]),
        files=_files(checked_list(predicate["resources"], "resources", least=1, most=SHARDS_MAX)),
        ignore_paths=tuple(
            checked_path(path, "ignore_paths") for path in checked_list(ignored, "ignore_paths", most=_IGNORED_MAX)
        ),
    )
    # Types, digests, order and numbers that were not looked at above must be what this statement would say itself.
    if statement.payload != data:
        raise FormatInvalid("the statement is not what its own resources say")
    return statement


def parse_release_id(value: object) -> ReleaseId:
    """Raises FormatInvalid."""
    found = checked_object(
        value, frozenset({"epoch", "minimum_epoch", "model", "tenant", "version"}), "the release of a statement"
    )
    return ReleaseId(**found)


def shard_count(size: int) -> int:
    return -(-size // SHARD_SIZE)


def _document(statement: Statement) -> dict[str, Any]:
    serialization: dict[str, Any] = {
        "allow_symlinks": False,
        "hash_type": "sha256",
        "method": "shards",
        "shard_size": SHARD_SIZE,
    }
    if statement.ignore_paths:  # Model Signing leaves it out where it is empty
        serialization["ignore_paths"] = list(statement.ignore_paths)
    return {
        "_type": STATEMENT_TYPE,
        "predicate": {
            "release": statement.release.to_dict(),
            "resources": [resource for file in statement.files for resource in _resources(file)],
            "serialization": serialization,
        },
        "predicateType": PREDICATE_TYPE,
        "subject": [{"digest": {"sha256": statement.root_digest.hex()}, "name": statement.release.model}],
    }


def _resources(file: SignedFile) -> list[dict[str, str]]:
    ends = [min((number + 1) * SHARD_SIZE, file.size) for number in range(len(file.shards))]
    return [
        {"algorithm": _ALGORITHM, "digest": digest.hex(), "name": f"{file.path}:{number * SHARD_SIZE}:{end}"}
        for number, (digest, end) in enumerate(zip(file.shards, ends, strict=True))
    ]


def _files(resources: Sequence[object]) -> tuple[SignedFile, ...]:
    """Neighbours with one path are one file. That they are complete and in order shows when they are written again."""
    shards: dict[str, list[bytes]] = {}
    sizes: dict[str, int] = {}
    for each in resources:
        resource = checked_object(each, frozenset({"algorithm", "digest", "name"}), "a resource")
        path, end = _shard_name(resource["name"])
        digest = parse_hex(resource["digest"], 32, what="the digest of a shard", refuse=FormatInvalid)
        shards.setdefault(path, []).append(digest)
        sizes[path] = end
    return tuple(SignedFile(path, sizes[path], tuple(digests)) for path, digests in shards.items())


def _shard_name(name: object) -> tuple[str, int]:
    parts = name.split(":") if isinstance(name, str) else []
    if len(parts) != 3 or why_not_path(parts[0]) or not (parts[2].isascii() and parts[2].isdigit()):
        raise FormatInvalid("the name of a shard is <path>:<start>:<end>")
    if len(parts[2]) > len(str(EPOCH_MAX)):
        raise FormatInvalid("a shard ends beyond any file")
    return parts[0], int(parts[2])
