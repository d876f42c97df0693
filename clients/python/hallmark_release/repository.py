"""A repository of releases: TUF metadata, the files it vouches for, and the encrypted parts. A folder to be served.

    metadata/   N.root.json, N.targets.json, N.snapshot.json, timestamp.json
    targets/    {model}/{SHA-256}.{name}: the four files of each model's current release, and those of earlier ones
    parts/      {first two digits}/{name}: encrypted files, named by the digests of their pieces, so that caches may
                keep them for ever

Whoever can write into the folder can break it, but not make clients believe anything: every role is signed by two keys
that are elsewhere, and what is read here is signed again only when it follows from a root that the publisher holds, and
is not older than what the publisher signed before.
"""

import os
import secrets
import shutil
from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self

from tuf.api.metadata import TargetFile  # type: ignore[attr-defined]

from hallmark_release.client import INDEX_NAME, TARGET_SIZES
from hallmark_release.errors import RepositoryUnusable
from hallmark_release.index import ReleaseIndex, parse_index
from hallmark_release.metadata_files import METADATA, TARGETS, TIMESTAMP, locked, sync_folder
from hallmark_release.repository_state import RepositoryState
from hallmark_release.roles import LIFETIMES, Role, RoleKeys, RoleSigner
from hallmark_release.seen import check_seen, note_seen

DUE_SHARE: Final = 0.5
"""A role is signed again by `refresh` when less than this share of its lifetime is left. The timestamp always is."""

_EPOCH: Final = "epoch"
_NO_FILES: Final[Mapping[str, bytes]] = {}


@dataclass(frozen=True, slots=True)
class RoleStatus:
    """expires: when clients refuse it."""

    role: Role
    version: int
    expires: datetime
    keys: RoleKeys


class Repository:
    """A repository on disk. Each change takes the folder's lock and appears at once, with its new timestamp.

    pinned: a root.json of it from a safe place. Without one, who can write into the folder decides what is signed: for
    folders that nobody else writes. seen: file, not in the folder, of the versions that this publisher signed.
    """

    def __init__(
        self, folder: Path, signer: RoleSigner, *, pinned: bytes | None = None, seen: Path | None = None
    ) -> None:
        self.folder = folder
        self._signer = signer
        self._pinned = pinned
        self._seen = seen

    @classmethod
    def create(
        cls,
        folder: Path,
        signer: RoleSigner,
        *,
        keys: Mapping[Role, RoleKeys],
        now: datetime,
        lifetimes: Mapping[Role, timedelta] = LIFETIMES,
        seen: Path | None = None,
    ) -> Self:
        """An empty repository. Raises RepositoryUnusable where there is one already, or keys are missing or reused."""
        _check_keys(keys)
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            if (folder / METADATA / TIMESTAMP).exists():
                raise RepositoryUnusable(f"{folder} is a repository already")
            made = cls(folder, signer, seen=seen)
            made._write(RepositoryState.empty(keys, lifetimes, now), set(Role), now)
            made._pinned = made.root()
        return made

    def root(self) -> bytes:
        """The newest root.json: give it to verifiers over a safe way. Raises RepositoryUnusable."""
        return self._load().root_bytes

    def status(self) -> tuple[RoleStatus, ...]:
        """Raises RepositoryUnusable."""
        state = self._load()
        return tuple(
            RoleStatus(role, state.signed(role).version, state.signed(role).expires, state.keys(role)) for role in Role
        )

    def models(self) -> tuple[str, ...]:
        """Those with a current release. Raises RepositoryUnusable."""
        names = self._load().signed(Role.TARGETS).targets
        return tuple(sorted({name.partition("/")[0] for name in names}))

    def add_parts(self, built: Path, index: ReleaseIndex) -> None:
        """Put the encrypted parts that were built in `built` in place; before `publish`. Raises RepositoryUnusable."""
        for part in index.parts:
            source, target = built / part.location, self.folder / part.location
            if not source.is_file() or source.stat().st_size != part.encrypted_size:
                raise RepositoryUnusable(f"{source} is not the part that was built", advice="Build the release again")
            if not target.is_file() or target.stat().st_size != part.encrypted_size:
                _place(source, target)

    def publish(self, files: Mapping[str, bytes], *, now: datetime) -> None:
        """Make these four files (TARGET_SIZES) the current release of their model. Its parts must be in place.

        The same release may be published again, an older epoch not. Raises FormatInvalid for an index that is none,
        RepositoryUnusable; what the signer raises.
        """
        if files.keys() != TARGET_SIZES.keys() or any(len(files[name]) > TARGET_SIZES[name] for name in files):
            raise RepositoryUnusable(f"a release has the files {', '.join(TARGET_SIZES)}, none of them too large")
        index = parse_index(files[INDEX_NAME])
        missing = [part.path for part in index.parts if not (self.folder / part.location).is_file()]
        if missing:
            raise RepositoryUnusable(f"the parts of {missing[0]!r} and {len(missing) - 1} others are not in place")
        with locked(self.folder):
            state = self._load()
            _check_newer(state.signed(Role.TARGETS).targets, index)
            self._list(state, index.release.model, index.release.epoch, files, now)

    def _list(self, state: RepositoryState, model: str, epoch: int, files: Mapping[str, bytes], now: datetime) -> None:
        fresh: dict[str, bytes] = {}
        for name, data in files.items():
            target: Any = TargetFile.from_data(f"{model}/{name}", data, ["sha256"])
            target.unrecognized_fields["custom"] = {_EPOCH: epoch}  # TUF section 4.5: opaque to its clients
            state.signed(Role.TARGETS).targets[target.path] = target
            fresh[f"{TARGETS}/{model}/{target.hashes['sha256']}.{name}"] = data
        self._write(state, {Role.TARGETS}, now, before=fresh)

    def withdraw(self, model: str, *, now: datetime) -> None:
        """The model has no current release any more. Raises RepositoryUnusable where it had none."""
        with locked(self.folder):
            state = self._load()
            targets = state.signed(Role.TARGETS).targets
            gone = [path for path in targets if path.partition("/")[0] == model]
            if not gone:
                raise RepositoryUnusable(f"the repository has no release of {model}")
            for path in gone:
                del targets[path]
            self._write(state, {Role.TARGETS}, now)

    def refresh(self, *, now: datetime, also: Collection[Role] = ()) -> tuple[Role, ...]:
        """Sign the timestamp again, and every role with less than half of its lifetime left, or in `also`.

        Gives the roles that were signed. Run it more often than the timestamp's lifetime. Raises RepositoryUnusable.
        """
        with locked(self.folder):
            state = self._load()
            due = {role for role in Role if role in also or state.share_left(role, now) < DUE_SHARE}
            return self._write(state, due | {Role.TIMESTAMP}, now)

    def rotate(self, role: Role, keys: RoleKeys, *, now: datetime, former_sign: bool = True) -> None:
        """New keys for a role: a new root says so, signed by the root keys before and after; the role is signed again,
        by its former keys too. former_sign False: where those can not sign any more; clients that come in the moment
        between two renames refuse the repository then.

        Raises RepositoryUnusable, also for keys that another role has.
        """
        with locked(self.folder):
            state = self._load()
            _check_keys({**{each: state.keys(each) for each in Role}, role: keys})
            state.replace_keys(role, keys)
            state.former_sign = former_sign
            self._write(state, {Role.ROOT, role}, now)

    def _load(self) -> RepositoryState:
        state = RepositoryState.load(self.folder, self._pinned)
        if self._seen is not None:
            check_seen(self._seen, state.versions())
        return state

    def _write(
        self, state: RepositoryState, changed: AbstractSet[Role], now: datetime, before: Mapping[str, bytes] = _NO_FILES
    ) -> tuple[Role, ...]:
        """The memory after the metadata: a crash between both loses a memory, and locks nobody out."""
        written = state.write(self.folder, self._signer, changed=changed, now=now, before=before)
        if self._seen is not None:
            note_seen(self._seen, state.versions())
        return written


def _check_newer(targets: Mapping[str, Any], index: ReleaseIndex) -> None:
    """Two publishers may finish in another order than the service gave them their epochs."""
    listed = targets.get(f"{index.release.model}/{INDEX_NAME}")
    if listed is None or listed.hashes.get("sha256") == index.sha256.hex():
        return
    epoch = listed.unrecognized_fields.get("custom", {}).get(_EPOCH, 0)
    if epoch >= index.release.epoch:
        raise RepositoryUnusable(f"the repository has epoch {epoch} of {index.release.model} already")


def _check_keys(keys: Mapping[Role, RoleKeys]) -> None:
    """Each role has its own: a stolen online key must not sign for the root."""
    if keys.keys() != set(Role):
        raise RepositoryUnusable(f"keys are needed for {', '.join(Role)}")
    ids = [key.to_tuf().keyid for pair in keys.values() for key in pair]
    if len(set(ids)) != len(ids):
        raise RepositoryUnusable("each role has keys of its own")


def _place(source: Path, target: Path) -> None:
    """A link where both are on one disk, a copy elsewhere; there whole or not at all. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{secrets.token_hex(8)}.new")
    try:
        try:
            os.link(source, temporary)
        except OSError:
            _copy(source, temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)  # of a disk that is full: half a part would keep it so
    sync_folder(target.parent)


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as read, target.open("xb") as written:
        shutil.copyfileobj(read, written, 1024 * 1024)
        written.flush()
        os.fsync(written.fileno())
