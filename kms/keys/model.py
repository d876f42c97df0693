"""Keys and their versions as they are known to the service."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from hallmark_composite import CompositePublicKey
from hsm.material import KeyMaterial, ProtectionLevel
from kms.core.errors import FailedPrecondition, Reason
from kms.core.names import AliasName, KeyName, KeyVersionName
from kms.keys.algorithms import KeyAlgorithm, composite_of
from kms.keys.policies import KeySettings
from kms.log.model import LogPromise

SYSTEM_TENANT = "system"
"""Owns the service's own keys. Every tenant may read their public halves."""
MESSAGE_BYTES_MAX = 1 << 20
CONTEXT_BYTES_MAX = 255
LABELS_MAX = 32


class KeyPurpose(StrEnum):
    """What a key is for, and the only thing it can be used for (kms.keys.purposes).

    SIGN: what callers send. MANIFEST: manifests and nothing else. ENVELOPE: opens envelopes, signs nothing.
    SERVICE: the service's own statements; no call can sign with such a key. IMPORT: private keys on their way in are
    sealed to it; it opens nothing else.
    """

    SIGN = "sign"
    SERVICE = "service"
    MANIFEST = "manifest"
    ENVELOPE = "envelope"
    IMPORT = "import"

    @property
    def is_own(self) -> bool:
        """Of the service itself: made by it, in tenants/system."""
        return self in {KeyPurpose.SERVICE, KeyPurpose.IMPORT}


class KeyOrigin(StrEnum):
    """Where a private key was made."""

    GENERATED = "generated"
    IMPORTED = "imported"


class KeyVersionState(StrEnum):
    """States of NIST SP 800-57 part 1, section 7. The rules are in kms.keys.lifecycle."""

    PRE_ACTIVE = "pre_active"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    DEACTIVATED = "deactivated"
    COMPROMISED = "compromised"
    DESTROY_SCHEDULED = "destroy_scheduled"
    DESTROYED = "destroyed"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyVersion:
    """One key pair. `material` is None once its private half was destroyed; the public half stays.

    `revoke_time`: from when it is not to be trusted. `state_before`: where RESTORE leads, while DESTROY_SCHEDULED.
    `destroying`: the destroyer has begun, so there is no way back. `exportable`: the HSM made it so that it may leave.
    `creation_event`: event key of the log entry about its making; empty in rows of the first release.
    """

    name: KeyVersionName
    algorithm: KeyAlgorithm
    state: KeyVersionState
    material: KeyMaterial | None
    public_bytes: bytes
    create_time: datetime
    activate_time: datetime | None = None
    deactivate_time: datetime | None = None
    compromise_time: datetime | None = None
    destroy_time: datetime | None = None
    revoke_time: datetime | None = None
    state_before: KeyVersionState | None = None
    destroying: bool = False
    origin: KeyOrigin = KeyOrigin.GENERATED
    exportable: bool = False
    creation_event: str = ""

    @property
    def protection(self) -> ProtectionLevel:
        """What may be claimed for it. Raises FailedPrecondition when it was destroyed."""
        return self.claimed(self.usable_material.protection)

    def claimed(self, level: ProtectionLevel) -> ProtectionLevel:
        """What may be claimed for a half of it that is kept at this level."""
        if self.origin is KeyOrigin.IMPORTED:
            return ProtectionLevel.IMPORTED
        return ProtectionLevel.weaker(level, ProtectionLevel.HSM_WRAPPED) if self.exportable else level

    @property
    def public_key(self) -> CompositePublicKey:
        """Of a composite; kms.keys.public_keys knows the others."""
        return CompositePublicKey.from_bytes(composite_of(self.algorithm), self.public_bytes)

    @property
    def usable_material(self) -> KeyMaterial:
        """What the HSM needs to use the key. Raises FailedPrecondition when it was destroyed."""
        if self.material is None:
            raise FailedPrecondition(
                Reason.KEY_VERSION_NOT_ACTIVE, f"{self.name} was destroyed", resource=str(self.name)
            )
        return self.material


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A named key with its versions, newest first. `primary` is the number of the version that signs.

    `next_rotation_time`: when the scheduler begins the next rotation. `use_count`: signatures or openings so far.
    """

    name: KeyName
    purpose: KeyPurpose
    algorithm: KeyAlgorithm
    labels: Mapping[str, str]
    primary: int | None
    revision: int
    create_time: datetime
    update_time: datetime
    revoke_time: datetime | None
    versions: tuple[KeyVersion, ...]
    settings: KeySettings = field(default_factory=KeySettings)
    next_rotation_time: datetime | None = None
    use_count: int = 0
    aliases: tuple[str, ...] = ()

    @property
    def etag(self) -> str:
        """Changes with every change of the key."""
        return etag_of(str(self.name), self.revision)

    @property
    def next_number(self) -> int:
        return 1 + max((version.name.version for version in self.versions), default=0)

    @property
    def next_version(self) -> KeyVersion | None:
        """The newest version that waits to become active."""
        return next((version for version in self.versions if version.state is KeyVersionState.PRE_ACTIVE), None)

    def version(self, number: int) -> KeyVersion | None:
        return next((version for version in self.versions if version.name.version == number), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """Another name for a key of the same tenant."""

    name: AliasName
    key: KeyName
    revision: int
    update_time: datetime

    @property
    def etag(self) -> str:
        return etag_of(str(self.name), self.revision)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAnswer:
    """What calls that change a key remember for a replay: the key is read afresh, the promise is the first one."""

    key: str
    promise: LogPromise


@dataclass(frozen=True, slots=True, kw_only=True)
class SignAnswer:
    """What Sign remembers: the whole answer, so that a retry gets the same signature."""

    key_version: str
    algorithm: str
    protection: ProtectionLevel
    signature: bytes
    promise: LogPromise


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSignature:
    """A composite signature by one of the service's own keys. `context` separates the domains it signs in."""

    key_version: str
    signature: bytes
    context: str
    sign_time: datetime


def etag_of(name: str, revision: int) -> str:
    return hashlib.sha256(f"{name}#{revision}".encode()).hexdigest()[:16]


def key_binding(name: KeyVersionName, purpose: KeyPurpose) -> bytes:
    """What ties the sealed half to its row (hsm associated data). No part can hold a newline."""
    return f"hallmark-key-v1\n{name}\n{purpose}".encode()


def signing_version(key: Key, number: int | None, now: datetime) -> KeyVersion:
    """The version that may be used now. Raises FailedPrecondition with what to do."""
    if key.revoke_time is not None:
        raise FailedPrecondition(
            Reason.KEY_REVOKED, f"{key.name} was revoked; create a new key", resource=str(key.name)
        )
    check_not_expired(key, now)
    wanted = key.primary if number is None else number
    version = None if wanted is None else key.version(wanted)
    if version is None:
        raise FailedPrecondition(
            Reason.KEY_VERSION_NOT_ACTIVE,
            f"{key.name} has no version that may sign; rotate it to get one",
            resource=str(key.name),
        )
    if version.state is not KeyVersionState.ACTIVE:
        raise FailedPrecondition(
            Reason.KEY_VERSION_NOT_ACTIVE,
            f"{version.name} is {version.state} and does not sign; sign with {key.name} to use the primary version",
            resource=str(version.name),
        )
    return version


def check_not_expired(key: Key, now: datetime) -> None:
    """Raises FailedPrecondition/KEY_EXPIRED after `not_after`."""
    not_after = key.settings.usage_limits.not_after
    if not_after is not None and now > not_after:
        raise FailedPrecondition(
            Reason.KEY_EXPIRED,
            f"{key.name} may not be used any more since {not_after.isoformat()}; create a new key, or extend not_after",
            resource=str(key.name),
        )
