"""A repository of releases: TUF metadata, the files it vouches for, and the encrypted parts. A folder to be served.

    metadata/   N.root.json, N.targets.json, N.snapshot.json, timestamp.json
    targets/    {model}/{SHA-256}.{name}: the four files of each model's current release, and those of earlier ones
    parts/      {first two digits}/{SHA-256}: encrypted files, named by their bytes, so caches may keep them for ever

Whoever can write into the folder can break it, but not make clients believe anything: every role is signed by two keys
that are elsewhere, and what is read here is verified against the root before it is signed again.
"""

import os
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self

from tuf.api.metadata import TargetFile  # type: ignore[attr-defined]

from hallmark_release.client import INDEX_NAME, TARGET_SIZES
from hallmark_release.errors import RepositoryUnusable
from hallmark_release.index import ReleaseIndex, parse_index
from hallmark_release.metadata_files import TARGETS, locked
from hallmark_release.repository_state import RepositoryState
from hallmark_release.roles import LIFETIMES, Role, RoleKeys, RoleSigner

DUE_SHARE: Final = 0.5
"""A role is signed again by `refresh` when less than this share of its lifetime is left. The timestamp always is."""

_EPOCH: Final = "epoch"


@dataclass(frozen=True, slots=True)
class RoleStatus:
    """expires: when clients refuse it."""

    role: Role
    version: int
    expires: datetime
    keys: RoleKeys


class Repository:
    """A repository on disk. Each change takes the folder's lock and appears at once, with its new timestamp."""

    def __init__(self, folder: Path, signer: RoleSigner) -> None:
        self.folder = folder
        self._signer = signer

    @classmethod
    def create(
        cls,
        folder: Path,
        signer: RoleSigner,
        *,
        keys: Mapping[Role, RoleKeys],
        now: datetime,
        lifetimes: Mapping[Role, timedelta] = LIFETIMES,
    ) -> Self:
        """An empty repository. Raises RepositoryUnusable where there is one already, or keys are missing or reused."""
        _check_keys(keys)
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            if (folder / "metadata").exists():
                raise RepositoryUnusable(f"{folder} is a repository already")
            state = RepositoryState.empty(keys, lifetimes, now)
            state.write(folder, signer, changed=set(Role), now=now)
        return cls(folder, signer)

    def root(self) -> bytes:
        """The newest root.json: give it to verifiers over a safe way. Raises RepositoryUnusable."""
        return RepositoryState.load(self.folder).root_bytes

    def status(self) -> tuple[RoleStatus, ...]:
        """Raises RepositoryUnusable."""
        state = RepositoryState.load(self.folder)
        return tuple(
            RoleStatus(role, state.signed(role).version, state.signed(role).expires, state.keys(role)) for role in Role
        )

    def models(self) -> tuple[str, ...]:
        """Those with a current release. Raises RepositoryUnusable."""
        names = RepositoryState.load(self.folder).signed(Role.TARGETS).targets
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
            state = RepositoryState.load(self.folder)
            _check_newer(state.signed(Role.TARGETS).targets, index)
            self._list(state, index.release.model, index.release.epoch, files, now)

    def _list(self, state: RepositoryState, model: str, epoch: int, files: Mapping[str, bytes], now: datetime) -> None:
        fresh: dict[str, bytes] = {}
        for name, data in files.items():
            target: Any = TargetFile.from_data(f"{model}/{name}", data, ["sha256"])
            target.unrecognized_fields["custom"] = {_EPOCH: epoch}  # TUF section 4.5: opaque to its clients
            state.signed(Role.TARGETS).targets[target.path] = target
            fresh[f"{TARGETS}/{model}/{target.hashes['sha256']}.{name}"] = data
        state.write(self.folder, self._signer, changed={Role.TARGETS}, now=now, before=fresh)

    def withdraw(self, model: str, *, now: datetime) -> None:
        """The model has no current release any more. Raises RepositoryUnusable where it had none."""
        with locked(self.folder):
            state = RepositoryState.load(self.folder)
            targets = state.signed(Role.TARGETS).targets
            gone = [path for path in targets if path.partition("/")[0] == model]
            if not gone:
                raise RepositoryUnusable(f"the repository has no release of {model}")
            for path in gone:
                del targets[path]
            state.write(self.folder, self._signer, changed={Role.TARGETS}, now=now)

    def refresh(self, *, now: datetime, also: Collection[Role] = ()) -> tuple[Role, ...]:
        """Sign the timestamp again, and every role with less than half of its lifetime left, or in `also`.

        Gives the roles that were signed. Run it more often than the timestamp's lifetime. Raises RepositoryUnusable.
        """
        with locked(self.folder):
            state = RepositoryState.load(self.folder)
            due = {role for role in Role if role in also or state.share_left(role, now) < DUE_SHARE}
            return state.write(self.folder, self._signer, changed=due | {Role.TIMESTAMP}, now=now)

    def rotate(self, role: Role, keys: RoleKeys, *, now: datetime) -> None:
        """New keys for a role: a new root says so, signed by the root keys before and after; the role is signed again.

        Raises RepositoryUnusable, also for keys that another role has.
        """
        with locked(self.folder):
            state = RepositoryState.load(self.folder)
            _check_keys({**{each: state.keys(each) for each in Role}, role: keys})
            state.replace_keys(role, keys)
            state.write(self.folder, self._signer, changed={Role.ROOT, role}, now=now)


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
    temporary = target.with_name(f".{target.name}.new")
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:
        with source.open("rb") as read, temporary.open("xb") as written:
            shutil.copyfileobj(read, written, 1024 * 1024)
            written.flush()
            os.fsync(written.fileno())
    temporary.replace(target)
