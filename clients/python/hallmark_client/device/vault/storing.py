"""How artifacts come into the vault: encrypted here, or taken over as they are."""

import contextlib
import sqlite3
from collections.abc import AsyncIterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from hallmark_client.device.audit import AuditAct
from hallmark_client.device.chunks import Sealed, SealedFile
from hallmark_client.device.errors import ArtifactExists, ContentInvalid
from hallmark_client.device.model import Artifact, ArtifactState, Caller, Part
from hallmark_client.device.policy import Operation
from hallmark_client.device.vault.access import Access
from hallmark_client.device.vault.erasure import Erasure
from hallmark_client.device.vault.folder import refused_by_disk
from hallmark_client.device.vault.intake import Intake, Progress, Source, in_thread
from hallmark_client.device.vault.keys import KEY, wipe
from hallmark_client.device.vault.rows import check_naming, is_blob_name, stored_context
from hallmark_client.device.vault.state import VaultState
from hallmark_client.model.consents import ArtifactKind

_ID: Final = 16


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an artifact is to be called, and who stores it."""

    name: str
    kind: ArtifactKind
    version: int
    needs_permission: bool
    labels: Mapping[str, str]
    caller: Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptedPart:
    """An encrypted file, and the part that it becomes. file: anywhere; it stays until the artifact is stored.

    blob: a digest that stands for all encrypted bytes and that the caller has checked. size, sha256: of the plaintext.
    """

    file: Path
    path: str
    size: int
    sha256: str
    blob: str
    context: bytes


class Storing:
    """Raises ArtifactExists, PolicyViolation, StoreFailed, and ValueError for a name that can not be."""

    def __init__(self, state: VaultState, access: Access, erasure: Erasure) -> None:
        self._state = state
        self._access = access
        self._erasure = erasure

    def put(self, source: Source, wanted: Wanted, progress: Progress | None) -> Artifact:
        draft, key = self._draft(wanted), self._new_key()
        try:
            with self._intake(draft, key, progress) as intake:
                intake.take(source)
                sealed = intake.finish()
            return self._register(_with_content(draft, sealed), key, wanted.caller)
        finally:
            wipe(key)

    async def put_async(self, source: AsyncIterable[bytes], wanted: Wanted, progress: Progress | None) -> Artifact:
        draft, key = await in_thread(self._draft, wanted), self._new_key()
        try:
            with self._intake(draft, key, progress) as intake:
                await intake.take_async(source)
                sealed = await in_thread(intake.finish)
            return await in_thread(self._register, _with_content(draft, sealed), key, wanted.caller)
        finally:
            wipe(key)

    def adopt(self, parts: Sequence[AdoptedPart], key: bytearray, digest: str, wanted: Wanted) -> Artifact:
        """Looks at header and last chunk of each file. The files are gone from where they were when this returns."""
        _check_parts(parts)
        draft = self._draft(wanted)
        with self._state.index.lock:  # a file may be one that another artifact has: nobody may drop it meanwhile
            found = tuple(self._adopted(part, key) for part in parts)
            for part in parts:
                self._state.folder.take(part.file, part.blob, self._state.system.random_bytes(_ID).hex())
            size = sum(part.size for part in found)
            artifact = self._register(replace(draft, digest=digest, size=size, parts=found), key, wanted.caller)
        for part in parts:
            with refused_by_disk(part.file):
                self._state.disk.unlink(part.file)
        return artifact

    def _draft(self, wanted: Wanted) -> Artifact:
        """With everything but content. Policy and name are asked before the work, and again after it."""
        check_naming(wanted.name, wanted.version, wanted.labels)
        state = self._state
        draft = Artifact(
            artifact_id=state.system.random_bytes(_ID).hex(),
            name=wanted.name,
            kind=wanted.kind,
            version=wanted.version,
            tenant=state.tenant,
            digest="",
            size=0,
            epoch=state.epochs.number,
            state=ArtifactState.AVAILABLE,
            needs_permission=wanted.needs_permission,
            created_at=state.ledger.now(),
            labels=MappingProxyType(dict(wanted.labels)),
        )
        with state.index.lock:
            self._erasure.follow_up()
            self._check_may_come(draft, wanted.caller)
        return draft

    def _check_may_come(self, artifact: Artifact, caller: Caller) -> None:
        self._access.check(artifact, caller, Operation.PUT)
        if self._state.holdings.has(artifact.name, artifact.version):
            raise ArtifactExists(
                "ARTIFACT_EXISTS",
                f"{artifact.name!r} version {artifact.version} is here already: store a higher version, or delete it",
            )

    def _register(self, artifact: Artifact, key: bytearray, caller: Caller) -> Artifact:
        """From here on it is there, also after a power cut; or its files go again."""
        state = self._state
        with state.index.lock:
            try:
                self._check_may_come(artifact, caller)
                row = state.epochs.wrap(key, artifact, self._access.limits(artifact))
                facts = {"digest": artifact.digest, "size": str(artifact.size)}
                with state.ledger.transaction() as chain:
                    state.holdings.insert(row)
                    chain.append(state.ledger.record(AuditAct.PUT, artifact=artifact, caller=caller, facts=facts))
            except BaseException:
                self._drop_files(artifact)
                raise
            state.holdings.committed(row)
        return artifact

    def _drop_files(self, artifact: Artifact) -> None:
        """Those that no other artifact has. Where the index does not answer, the next open sweeps."""
        with contextlib.suppress(sqlite3.Error):
            living = set(self._state.holdings.blobs())
            self._state.folder.drop([part.blob for part in artifact.parts if part.blob not in living])

    def _intake(self, draft: Artifact, key: bytearray, progress: Progress | None) -> Intake:
        state = self._state
        return Intake(state.folder, state.disk, state.system, key, stored_context(draft, ""), progress)

    def _adopted(self, part: AdoptedPart, key: bytearray) -> Part:
        with refused_by_disk(part.file):
            file = SealedFile.at(part.file, key, part.context)
        blob_size = file.sealed_size
        file.close()
        if file.size != part.size:
            raise ContentInvalid("CONTENT_INVALID", f"{part.path!r} holds {file.size} bytes, not {part.size}")
        return Part(
            path=part.path,
            size=part.size,
            sha256=part.sha256,
            blob=part.blob,
            blob_size=blob_size,
            context=part.context,
        )

    def _new_key(self) -> bytearray:
        return bytearray(self._state.system.random_bytes(KEY))


def _check_parts(parts: Sequence[AdoptedPart]) -> None:
    if not parts or len({part.path for part in parts}) != len(parts):
        raise ValueError("an artifact has one part or more, with different paths")
    if not all(is_blob_name(part.blob) for part in parts):
        raise ValueError("the digest of an encrypted file has 64 hex digits, in lower case")


def _with_content(draft: Artifact, sealed: Sealed) -> Artifact:
    part = Part(
        path="",
        size=sealed.size,
        sha256=sealed.sha256,
        blob=sealed.sealed_sha256,
        blob_size=sealed.sealed_size,
        context=stored_context(draft, ""),
    )
    return replace(draft, digest=sealed.sha256, size=sealed.size, parts=(part,))
