"""EnclaveVault in the old form, over a vault that keeps what it is given."""

import hashlib
import time
import uuid
import weakref
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Self

from hallmark_client.device.errors import ArtifactUnknown
from hallmark_client.device.model import Artifact
from hallmark_client.device.vault import ArtifactReader, Vault

from .artifact import (
    ID_PREFIX,
    KEY_PREFIX,
    ArtifactKind,
    ArtifactMetadata,
    EnclaveArtifact,
    EncryptedArtifact,
    StoredArtifact,
    labels,
    stored,
)
from .audit import EnclaveAuditLog
from .backends.base import EnclaveBackend
from .errors import EnclaveLockedError, EnclaveSDKError, PolicyViolationError, UnknownArtifactError, old_errors
from .policy import PROGRAM, AccessPolicy, caller_for
from .session import DEFAULT_SESSION_TTL, establish_enclave_session

__all__ = ["DEFAULT_SESSION_TTL", "EnclaveVault", "establish_enclave_session"]

_SHA3: Final = "sha3_256"


class EnclaveVault:
    """policy: held by the vault on disk, and asked at every get; None leaves the one that is there, or the first one,
    which is open to this program. caller_bundle_id: for whom this program asks, where a get does not say.
    monotonic: seconds.

    What is put is on disk, whole, when `put_artifact` returns, and is there after lock and unlock, expiry and restart.
    """

    def __init__(
        self,
        backend: EnclaveBackend,
        audit: EnclaveAuditLog | None = None,
        *,
        policy: AccessPolicy | None = None,
        caller_bundle_id: str = "",
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.backend = backend
        self.audit = EnclaveAuditLog() if audit is None else audit
        self.policy = policy
        self.caller_bundle_id = caller_bundle_id
        self._monotonic = monotonic
        self._vault: Vault | None = None
        self._let_go: Callable[[], object] | None = None
        self._until = 0.0
        self._session: tuple[str, str] = ("", "")

    @property
    def is_unlocked(self) -> bool:
        """Past its time it locks itself when it is asked."""
        if self._vault is not None and self._monotonic() >= self._until:
            self._close()
        return self._vault is not None

    @property
    def device_vault(self) -> Vault:
        """Everything else: streams, effective policy, durable audit chain, evidence. Raises EnclaveLockedError."""
        if not self.is_unlocked or self._vault is None:
            raise EnclaveLockedError("the vault is locked: call unlock() first")
        return self._vault

    def unlock(self, ttl_seconds: float = DEFAULT_SESSION_TTL) -> None:
        """Opens the vault, with the keys that its root of trust keeps. Raises BackendError."""
        self._close()
        vault, let_go = self.backend.hold()
        try:
            if self.policy is not None:
                _hold_policy(vault, self.policy)
        except BaseException:
            let_go()
            raise
        self._vault, self._let_go = vault, weakref.finalize(self, let_go)
        self._until = self._monotonic() + ttl_seconds
        expires = datetime.now(UTC) + timedelta(seconds=ttl_seconds)
        self._session = (KEY_PREFIX + uuid.uuid4().hex, expires.isoformat())
        self.audit.log_unlock(self.backend.device_id, self._session[0])

    def lock(self) -> None:
        """When no other EnclaveVault has the backend's vault unlocked, its keys are wiped and its readers end."""
        self._close()
        self.audit.log_lock(self.backend.device_id)

    def save(self) -> None:
        """Puts are durable already; this writes the audit entries of the last reads too."""
        with old_errors():
            self.device_vault.flush()

    def put_artifact(
        self,
        name: str,
        kind: ArtifactKind,
        content: bytes | Path,
        version: str = "",
        app_bundle_id: str = "",
        model_did: str = "",
        tags: tuple[str, ...] = (),
        description: str = "",
    ) -> EncryptedArtifact:
        """A path is stored in constant memory, whatever its size; it is read twice, for its SHA3-256 first. Under a
        name that is there it becomes the newest version. Raises PolicyViolationError, BackendError.
        """
        vault, kind = self.device_vault, ArtifactKind(kind)
        told = ArtifactMetadata(
            artifact_id="",
            name=name,
            kind=kind,
            version=version,
            app_bundle_id=app_bundle_id,
            device_id=self.backend.device_id,
            model_did=model_did,
            tags=tuple(tags),
            description=description,
        )
        with old_errors():
            artifact = vault.put(
                content if isinstance(content, Path) else (content,),
                name=name,
                kind=kind.in_vault,
                version=_next_version(vault, name),
                labels=labels(told, _sha3(content)),
            )
        found = self._stored(artifact)
        self.audit.log_put(self.backend.device_id, found.metadata.artifact_id, name, kind.value)
        return found

    def get_artifact(self, name_or_id: str, *, caller_bundle_id: str | None = None) -> EnclaveArtifact:
        """A name is its newest version. Raises UnknownArtifactError, PolicyViolationError, DecryptionError,
        EnclaveLockedError.
        """
        with self.open_artifact(name_or_id, caller_bundle_id=caller_bundle_id) as reader:
            metadata = self._stored(reader.artifact).metadata
            try:
                with old_errors():
                    return EnclaveArtifact(metadata=metadata, content=reader.readall())
            except EnclaveSDKError as error:
                self.audit.log_get(self.backend.device_id, metadata.artifact_id, success=False, details=str(error))
                raise

    def open_artifact(self, name_or_id: str, *, caller_bundle_id: str | None = None) -> ArtifactReader:
        """A seekable raw reader: any place of any size, in constant memory. Raises as get_artifact; what it raises
        itself later is of hallmark_client.device.errors.
        """
        artifact = self._find(name_or_id)
        identity, device = ID_PREFIX + artifact.artifact_id, self.backend.device_id
        try:
            with old_errors():
                asked = self.caller_bundle_id if caller_bundle_id is None else caller_bundle_id
                caller = caller_for(self.device_vault.policy, artifact, asked)
                reader = self.device_vault.get(artifact.name, version=artifact.version, caller=caller)
        except PolicyViolationError as error:
            self.audit.log_policy_violation(device, identity, str(error))
            raise
        except Exception as error:
            self.audit.log_get(device, identity, success=False, details=str(error))
            raise
        self.audit.log_get(device, identity)
        return reader

    def delete_artifact(self, name_or_id: str) -> None:
        """All versions of the name, at once and for good: as far as the root of trust says so, no copy of the vault
        gives them back. Raises UnknownArtifactError.
        """
        artifact = self._find(name_or_id)
        with old_errors():
            self.device_vault.delete(artifact.name)
        self.audit.log_delete(self.backend.device_id, ID_PREFIX + artifact.artifact_id, artifact.name)

    def list_artifacts(self) -> list[ArtifactMetadata]:
        """Every version of everything."""
        return [self._stored(artifact).metadata for artifact in self.device_vault.artifacts()]

    def __enter__(self) -> Self:
        if not self.is_unlocked:
            self.unlock()
        return self

    def __exit__(self, *_: object) -> None:
        self.lock()

    def _close(self) -> None:
        if self._let_go is not None:
            let_go, self._let_go, self._vault = self._let_go, None, None
            self._session = ("", "")
            let_go()

    def _find(self, name_or_id: str) -> Artifact:
        vault = self.device_vault
        if name_or_id.startswith(ID_PREFIX):
            wanted = name_or_id.removeprefix(ID_PREFIX)
            found = [artifact for artifact in vault.artifacts() if artifact.artifact_id == wanted]
            if found:
                return found[0]
        try:
            return vault.find(name_or_id)
        except ArtifactUnknown:
            self.audit.log_get(self.backend.device_id, name_or_id, success=False, details="not found")
            raise UnknownArtifactError(f"there is no artifact {name_or_id!r}") from None

    def _stored(self, artifact: Artifact) -> StoredArtifact:
        return stored(artifact, self.backend.folder)

    # Old programs copied these from one vault to the next, because unlock() lost the key. Here is nothing to copy: the
    # key of an artifact is never in this object, and what is written to them has no effect.

    @property
    def _symmetric_key(self) -> bytes | None:
        return None

    @_symmetric_key.setter
    def _symmetric_key(self, _: bytes | None) -> None:
        pass

    @property
    def _key_id(self) -> str:
        return self._session[0]

    @_key_id.setter
    def _key_id(self, _: str) -> None:
        pass

    @property
    def _expires_at(self) -> str:
        return self._session[1]

    @_expires_at.setter
    def _expires_at(self, _: str) -> None:
        pass

    @property
    def _store(self) -> Mapping[str, EncryptedArtifact]:
        return self.backend.load_artifacts() if self.is_unlocked else {}

    @_store.setter
    def _store(self, _: Mapping[str, EncryptedArtifact]) -> None:
        pass


def _hold_policy(vault: Vault, policy: AccessPolicy) -> None:
    """Where it says something else than the one that the vault has."""
    with old_errors():
        if policy.in_vault(vault.policy.version) != vault.policy:
            vault.set_policy(policy.in_vault(vault.policy.version + 1), PROGRAM)


def _next_version(vault: Vault, name: str) -> int:
    try:
        return vault.find(name).version + 1
    except ArtifactUnknown:
        return 1


def _sha3(content: bytes | Path) -> str:
    if isinstance(content, Path):
        with content.open("rb") as file:
            return hashlib.file_digest(file, _SHA3).hexdigest()
    return EnclaveArtifact.content_hash(content)
