"""The metadata of a repository in memory: loaded and verified, changed, signed by both keys of each role, written."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self

from tuf.api import exceptions as tuf
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Targets, Timestamp  # type: ignore[attr-defined]
from tuf.api.metadata import Role as TufRole  # type: ignore[attr-defined]

from hallmark_release.errors import RepositoryUnusable
from hallmark_release.metadata_files import METADATA, METADATA_BYTES_MAX, TIMESTAMP, read_metadata, write_all
from hallmark_release.roles import (
    KEYS_OF_A_ROLE,
    LIFETIME_FIELD,
    Role,
    RoleKey,
    RoleKeys,
    RoleSigner,
    sign_metadata,
)
from hallmark_release.root_chain import follow_roots

_LIFETIME_MAX: Final = timedelta(days=3650)

_BYTES_MAX: Final = {
    Role.ROOT: 512_000,
    Role.TARGETS: METADATA_BYTES_MAX,
    Role.SNAPSHOT: 2_000_000,
    Role.TIMESTAMP: 16_384,
}
"""What TUF clients read at most (python-tuf's UpdaterConfig): larger metadata would shut all of them out."""


@dataclass
class RepositoryState:
    """`metadata` by role. root_bytes: the root as it stands on disk. stale: roles that a crash in a rotation left under
    their former keys; they are signed again with the next change. former_sign: where a role has new keys, its former
    ones sign once more, so that clients with either root believe it.
    """

    metadata: dict[Role, Metadata[Any]]
    root_bytes: bytes = b""
    stale: frozenset[Role] = frozenset()
    former_sign: bool = True

    @classmethod
    def empty(cls, keys: Mapping[Role, RoleKeys], lifetimes: Mapping[Role, timedelta], now: datetime) -> Self:
        """Version 0 of everything; `write` makes it 1."""
        made: dict[Role, Any] = {
            Role.ROOT: Root(consistent_snapshot=True),
            Role.TARGETS: Targets(),
            Role.SNAPSHOT: Snapshot(),
            Role.TIMESTAMP: Timestamp(),
        }
        for role, signed in made.items():
            if not timedelta(minutes=1) <= lifetimes[role] <= _LIFETIME_MAX:
                raise RepositoryUnusable(f"the lifetime of {role} is 1 minute to 10 years")
            signed.version = 0
            signed.expires = now
            signed.unrecognized_fields[LIFETIME_FIELD] = int(lifetimes[role].total_seconds())
        state = cls({role: Metadata(signed) for role, signed in made.items()})
        for role, pair in keys.items():
            state.replace_keys(role, pair)
        return state

    @classmethod
    def load(cls, folder: Path, pinned: bytes | None = None) -> Self:
        """What timestamp.json leads to, each role verified against the root, and the root against the pinned one (see
        `follow_roots`). Expired metadata is fine: it is about to be signed again. Raises RepositoryUnusable.
        """
        try:
            roots = follow_roots(folder, pinned)
            found: dict[Role, Metadata[Any]] = {Role.ROOT: roots[0]}
            found[Role.TIMESTAMP] = timestamp = Metadata[Timestamp].from_bytes(read_metadata(folder, TIMESTAMP))
            snapshot_meta = timestamp.signed.snapshot_meta
            found[Role.SNAPSHOT] = snapshot = _read_named(folder, Snapshot, "snapshot", snapshot_meta)
            found[Role.TARGETS] = _read_named(folder, Targets, "targets", snapshot.signed.meta["targets.json"])
            stale = {role for role in found if role is not Role.ROOT and not _is_signed_by_newest(role, found, roots)}
        except (tuf.RepositoryError, ValueError, KeyError, TypeError) as error:
            raise RepositoryUnusable(f"the metadata in {folder} was changed: {error}", advice=_RESTORE) from error
        return cls(found, roots[0].to_bytes(), frozenset(stale))

    def signed(self, role: Role) -> Any:
        """python-tuf's Root, Targets, Snapshot or Timestamp."""
        return self.metadata[role].signed

    def keys(self, role: Role) -> RoleKeys:
        """Raises RepositoryUnusable unless they are two of ours."""
        root = self.signed(Role.ROOT)
        found = [RoleKey.from_tuf(root.keys[keyid]) for keyid in root.roles[role.value].keyids]
        if len(found) != KEYS_OF_A_ROLE or root.roles[role.value].threshold != KEYS_OF_A_ROLE:
            raise RepositoryUnusable(f"the role {role} has not two keys that must both sign")
        return RoleKeys(*found)

    def replace_keys(self, role: Role, keys: RoleKeys) -> None:
        root = self.signed(Role.ROOT)
        for keyid in root.roles[role.value].keyids:
            root.keys.pop(keyid, None)
        made = [key.to_tuf() for key in keys]
        root.roles[role.value] = TufRole([key.keyid for key in made], KEYS_OF_A_ROLE)
        root.keys.update({key.keyid: key for key in made})

    def versions(self) -> dict[Role, int]:
        return {role: self.signed(role).version for role in Role}

    def share_left(self, role: Role, now: datetime) -> float:
        """Of its lifetime; negative when it has expired."""
        left: timedelta = self.signed(role).expires - now
        return left / self._lifetime(role)

    def write(
        self,
        folder: Path,
        signer: RoleSigner,
        *,
        changed: AbstractSet[Role],
        now: datetime,
        before: Mapping[str, bytes] | None = None,
    ) -> tuple[Role, ...]:
        """Sign what changed, and what stands above it, under a new version; write it after the files of `before`.

        Gives the roles that were signed. Raises RepositoryUnusable, OSError, what the signer raises.
        """
        files = dict(before or {})
        changed = changed | self.stale
        root: dict[str, bytes] = {}
        if Role.ROOT in changed:
            self._sign(Role.ROOT, signer, now)
            root[f"{METADATA}/{self.signed(Role.ROOT).version}.root.json"] = self.metadata[Role.ROOT].to_bytes()
        if Role.TARGETS in changed:
            self._sign(Role.TARGETS, signer, now)
            meta = self._meta(Role.TARGETS, files)
            self.signed(Role.SNAPSHOT).meta["targets.json"] = meta
        if changed & {Role.TARGETS, Role.SNAPSHOT}:
            self._sign(Role.SNAPSHOT, signer, now)
            self.signed(Role.TIMESTAMP).snapshot_meta = self._meta(Role.SNAPSHOT, files)
        written = tuple(role for role in Role if role in changed or self._is_above(role, changed))
        if Role.TIMESTAMP in written:
            self._sign(Role.TIMESTAMP, signer, now)
            files[f"{METADATA}/{TIMESTAMP}"] = self.metadata[Role.TIMESTAMP].to_bytes()
        # Signed by a role's former keys too, the rest is good under the former root: then the new one comes last, and
        # there is no moment at which a client has a root without metadata that it believes.
        root_last = self.former_sign and self.root_bytes
        write_all(folder, files | root if root_last else root | files)
        return written

    def _is_above(self, role: Role, changed: AbstractSet[Role]) -> bool:
        match role:
            case Role.SNAPSHOT:
                return Role.TARGETS in changed
            case Role.TIMESTAMP:
                return bool(changed & {Role.TARGETS, Role.SNAPSHOT})
            case _:
                return False

    def _meta(self, role: Role, files: dict[str, bytes]) -> Any:
        """The role's file, and what the role above says of it."""
        data = self.metadata[role].to_bytes()
        version = self.signed(role).version
        files[f"{METADATA}/{version}.{role}.json"] = data
        return MetaFile.from_data(version, data, ["sha256"])

    def _sign(self, role: Role, signer: RoleSigner, now: datetime) -> None:
        """By the role's keys, and by those that it had before; the root always by both (TUF section 6.1)."""
        metadata, signed = self.metadata[role], self.signed(role)
        judges, keys = [self.signed(Role.ROOT)], list(self.keys(role))
        if self.root_bytes and (role is Role.ROOT or self.former_sign):
            former = RepositoryState({Role.ROOT: Metadata[Root].from_bytes(self.root_bytes)})
            judges.append(former.signed(Role.ROOT))
            keys += [key for key in former.keys(role) if key not in keys]
        signed.version += 1
        signed.expires = now.replace(microsecond=0) + self._lifetime(role)
        metadata.signatures.clear()
        sign_metadata(metadata, keys, signer)
        self._check_size(role)
        try:
            for judge in judges:
                judge.verify_delegate(role.value, metadata.signed_bytes, metadata.signatures)
        except tuf.RepositoryError as error:
            raise RepositoryUnusable(f"{role}: a signature came that its key did not make: {error}") from error

    def _check_size(self, role: Role) -> None:
        if len(self.metadata[role].to_bytes()) > _BYTES_MAX[role]:
            raise RepositoryUnusable(f"the metadata of {role} is larger than clients read", advice=_TOO_MANY)

    def _lifetime(self, role: Role) -> timedelta:
        seconds = self.signed(role).unrecognized_fields.get(LIFETIME_FIELD)
        if type(seconds) is not int or not 0 < seconds <= _LIFETIME_MAX.total_seconds():
            raise RepositoryUnusable(f"the role {role} does not say how long its metadata is good")
        return timedelta(seconds=seconds)


_TOO_MANY: Final = "Begin another repository for some of the models"
_RESTORE: Final = "Take the folder from a backup, or from where it is served"


def _is_signed_by_newest(role: Role, found: Mapping[Role, Metadata[Any]], roots: list[Metadata[Any]]) -> bool:
    """False when only the root before the newest accepts it. Raises python-tuf's RepositoryError when neither does."""
    metadata = found[role]
    for place, root in enumerate(roots):
        try:
            root.signed.verify_delegate(role.value, metadata.signed_bytes, metadata.signatures)
        except tuf.UnsignedMetadataError:
            if place == len(roots) - 1:
                raise
        else:
            return place == 0
    raise AssertionError("there is a root")


def _read_named(folder: Path, kind: Any, name: str, meta: Any) -> Metadata[Any]:
    data = read_metadata(folder, f"{meta.version}.{name}.json")
    meta.verify_length_and_hashes(data)
    found: Metadata[Any] = Metadata[kind].from_bytes(data)
    return found
