"""The vault: models and credentials of a device, encrypted at rest, read at disk speed, deleted for good.

with Vault.open(Path("vault"), root, policy=VaultPolicy.allow_own("assistant")) as vault:
    vault.put(Path("model.gguf"), name="models/chat", kind=ArtifactKind.MODEL_WEIGHTS, version=3)
    with vault.get("models/chat", caller=Caller(application="assistant")) as reader:
        header = reader.pread(0, 4096)
"""

import asyncio
from collections.abc import AsyncIterable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

from hallmark_client import forking
from hallmark_client.device.audit import AuditChain, AuditRecord
from hallmark_client.device.errors import DeviceError, StoreFailed, VaultInUse
from hallmark_client.device.model import Artifact, Caller, Clause
from hallmark_client.device.policy import VaultPolicy, VerifiedPolicy
from hallmark_client.device.roots.port import RootFacts, RootOfTrust
from hallmark_client.device.vault.access import OWNER, Permissions
from hallmark_client.device.vault.checking import Checking, CheckReport
from hallmark_client.device.vault.disk import Disk
from hallmark_client.device.vault.erasure import Deletion
from hallmark_client.device.vault.intake import Progress, Source
from hallmark_client.device.vault.opening import Opened, Surroundings, close_vault, leave_vault, open_vault
from hallmark_client.device.vault.reader import ArtifactReader
from hallmark_client.device.vault.reading import Reading
from hallmark_client.device.vault.standing import Standing
from hallmark_client.device.vault.storing import AdoptedPart, Storing, Wanted
from hallmark_client.model.consents import ArtifactKind
from hallmark_client.system import System
from hallmark_client.watch.clocks import DeviceClock

_NO_LABELS: Final[Mapping[str, str]] = MappingProxyType({})


class Vault:
    """May be used from any thread. One process at a time. What it raises: hallmark_client.device.errors."""

    def __init__(self, opened: Opened) -> None:
        """Use `open`."""
        self._state = opened.state
        self._access = opened.access
        self._erasure = opened.erasure
        self._storing = Storing(self._state, self._access, self._erasure)
        self._reading = Reading(self._state, self._access)
        self._standing = Standing(self._state, self._access)
        self._ended: DeviceError | None = None
        forking.watch(self)

    @classmethod
    def open(
        cls,
        folder: Path,
        root: RootOfTrust,
        *,
        tenant: str = "default",
        policy: VaultPolicy | None = None,
        permissions: Permissions | None = None,
        system: System | None = None,
        clock: DeviceClock | None = None,
        now: Callable[[], datetime] | None = None,
        disk: Disk | None = None,
    ) -> Self:
        """Makes the vault where there is none. The root stays the caller's to close, after the vault.

        policy: of a new vault; without one it denies everything. now: trusted time; without it, the system's clock.
        Raises VaultInUse, RolledBack, RootUnavailable, RootLost, StoreFailed, PolicyViolation.
        """
        around = Surroundings(
            tenant=tenant,
            system=system or System(),
            disk=disk or Disk(),
            clock=clock or DeviceClock(),
            now=now,
            permissions=permissions,
        )
        return cls(open_vault(folder, root, policy, around))

    # What is in it

    def put(
        self,
        source: Source,
        *,
        name: str,
        kind: ArtifactKind,
        version: int = 0,
        needs_permission: bool = False,
        labels: Mapping[str, str] = _NO_LABELS,
        progress: Progress | None = None,
        caller: Caller = OWNER,
    ) -> Artifact:
        """Stores a path, a binary file from where it stands, or pieces of bytes. On disk, whole, when it returns.

        Raises ArtifactExists, PolicyViolation, StoreFailed; what goes wrong with the source passes through.
        """
        self._check_open()
        wanted = Wanted(name, kind, version, needs_permission, labels, caller)
        return self._storing.put(source, wanted, progress)

    async def put_async(
        self,
        source: AsyncIterable[bytes],
        *,
        name: str,
        kind: ArtifactKind,
        version: int = 0,
        needs_permission: bool = False,
        labels: Mapping[str, str] = _NO_LABELS,
        progress: Progress | None = None,
        caller: Caller = OWNER,
    ) -> Artifact:
        """As `put`, from pieces that arrive; the event loop goes on meanwhile."""
        self._check_open()
        wanted = Wanted(name, kind, version, needs_permission, labels, caller)
        return await self._storing.put_async(source, wanted, progress)

    def adopt(
        self,
        parts: Sequence[AdoptedPart],
        key: bytearray,
        *,
        name: str,
        kind: ArtifactKind,
        version: int,
        digest: str,
        needs_permission: bool = False,
        labels: Mapping[str, str] = _NO_LABELS,
        caller: Caller = OWNER,
    ) -> Artifact:
        """Takes encrypted files as they are: all become one artifact, or nothing changes. key: theirs, 32 bytes; it
        stays the caller's to wipe. Raises ContentInvalid where a file does not open with it, and as `put`.
        """
        self._check_open()
        wanted = Wanted(name, kind, version, needs_permission, labels, caller)
        return self._storing.adopt(parts, key, digest, wanted)

    def get(self, name: str, *, version: int | None = None, part: str = "", caller: Caller) -> ArtifactReader:
        """Version None: the highest. Raises ArtifactUnknown, ArtifactSuspended, PolicyViolation, LimitReached,
        ContentInvalid, StoreFailed.
        """
        self._check_open()
        return self._reading.get(name, version, part, caller)

    def read(self, name: str, *, version: int | None = None, part: str = "", caller: Caller) -> bytes:
        """The whole of a part, in memory."""
        with self.get(name, version=version, part=part, caller=caller) as reader:
            return reader.readall()

    async def read_async(self, name: str, *, version: int | None = None, part: str = "", caller: Caller) -> bytes:
        return await asyncio.to_thread(self.read, name, version=version, part=part, caller=caller)

    def find(self, name: str, version: int | None = None) -> Artifact:
        """Raises ArtifactUnknown. What the index says; that nobody edited it is only known when it is read."""
        self._check_open()
        return self._state.holdings.find(name, version).artifact

    def artifacts(self, caller: Caller = OWNER) -> tuple[Artifact, ...]:
        """Those that the policy lets this caller list, by name and version."""
        self._check_open()
        rows = self._state.holdings.rows()
        return tuple(row.artifact for row in rows if self._access.may_list(row.artifact, caller))

    # How it ends

    def delete(self, *artifacts: Artifact | str, caller: Caller = OWNER, nonce: bytes | None = None) -> Deletion:
        """A name stands for all its versions. When it returns, no copy of the vault gives them back, as far as the root
        of trust says so (RootPower.SHRED). Delete several at once: it is one epoch. Without any, what an earlier
        deletion left to do is done, or this raises.

        nonce: 16 to 64 bytes for the evidence; without it there is none. Raises ArtifactUnknown, PolicyViolation; after
        StoreFailed or RootUnavailable the artifacts are gone for every reader, and the rest is followed up later.
        """
        self._check_open()
        return self._erasure.delete(artifacts, caller, nonce)

    def suspend(self, *artifacts: Artifact | str, why: str = "", caller: Caller = OWNER) -> None:
        """Nobody gets them until `resume`; open readers end. What is encrypted stays.

        An older copy of the index from the same epoch does not know of it: `rotate` too, where somebody might put one
        back.
        """
        self._check_open()
        self._standing.suspend(artifacts, why, caller)

    def resume(self, *artifacts: Artifact | str, caller: Caller = OWNER) -> None:
        self._check_open()
        self._standing.resume(artifacts, caller)

    def rotate(self, caller: Caller = OWNER) -> int:
        """A new epoch without a deletion. Returns its number."""
        self._check_open()
        return self._erasure.rotate(caller)

    def check(self, progress: Progress | None = None) -> CheckReport:
        """Reads everything, and says what is damaged."""
        self._check_open()
        return Checking(self._state, self._reading, progress).run()

    # Who may

    def check_usable(self, artifact: Artifact) -> None:
        """State and permissions, not policy; nothing is written. Raises ArtifactUnknown, ArtifactSuspended."""
        self._check_open()
        self._access.check_standing(self._state.holdings.find(artifact.name, artifact.version))

    def effective_policy(self, name: str, caller: Caller, version: int | None = None) -> tuple[Clause, ...]:
        """Every clause for reading it, with who makes it hold."""
        self._check_open()
        row = self._state.holdings.find(name, version)
        return self._access.effective(row, caller, len(self._state.holdings.readers(row.artifact.artifact_id)))

    @property
    def policy(self) -> VaultPolicy:
        return self._access.policy

    def set_policy(self, policy: VaultPolicy | VerifiedPolicy, caller: Caller = OWNER) -> None:
        """Unsigned: from an administrator of the policy in force, or the owner where there is none. Signed by the
        service: from anybody. Raises PolicyViolation, PolicyRolledBack.
        """
        self._check_open()
        self._standing.set_policy(policy, caller)

    # The rest

    def keep_secret(self, label: str, secret: bytes | bytearray) -> None:
        """Under the epoch key, in the index; durable. Up to 64 KiB. Labels that begin with "hallmark." are ours."""
        self._check_open()
        self._state.secrets.keep(label, secret)

    def secret(self, label: str) -> bytearray:
        """The caller's to wipe. Raises ArtifactUnknown."""
        self._check_open()
        return self._state.secrets.open(label)

    @property
    def audit(self) -> AuditChain:
        """For reading it; what was read a moment ago may still be on its way into it: `flush` first."""
        return self._state.ledger.chain

    def flush(self) -> None:
        """The audit entries of all reads and denials so far are durable."""
        self._check_open()
        self._state.ledger.flush()

    @contextmanager
    def writing(self) -> Iterator[AuditChain]:
        """A transaction of the vault's index with its audit chain: for entries and anchors of others."""
        self._check_open()
        with self._state.ledger.transaction() as chain:
            yield chain

    def note_denial(self, record: AuditRecord) -> None:
        """Of who serves others. Durable, or counted where the like was written a moment ago (audit.CountedDenials)."""
        self._check_open()
        self._state.ledger.note_denial(record)

    @property
    def epoch(self) -> int:
        return self._state.epochs.number

    @property
    def tenant(self) -> str:
        return self._state.tenant

    @property
    def root_facts(self) -> RootFacts:
        return self._state.root_facts

    def close(self) -> None:
        """Open readers end, keys are wiped. In the child of a fork nothing happens: the vault is its parent's."""
        if self._ended is not None:
            return
        with self._state.index.lock:
            if self._ended is None:
                self._ended = StoreFailed("STORE_FAILED", "this vault was closed: open it again")
                self._state.holdings.end_all_readers(self._ended)
                close_vault(self._state)

    def forked(self) -> None:
        """In the child of a fork; called by itself. What it has of the keys is wiped, what is the parent's is left."""
        if self._ended is None:
            self._ended = VaultInUse("VAULT_IN_USE", "this vault is open in the process that this one was forked from")
            self._state.holdings.leave_readers(self._ended)
            leave_vault(self._state)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_open(self) -> None:
        if self._ended is not None:
            raise self._ended
