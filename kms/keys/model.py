"""Keys and their versions, and the rules about them as pure functions."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hallmark_composite import CompositeAlgorithm, CompositePublicKey
from hsm.material import CompositeKeyMaterial, ProtectionLevel
from kms.core.errors import FailedPrecondition, Reason
from kms.core.names import KeyName, KeyVersionName
from kms.log.model import LogPromise

SYSTEM_TENANT = "system"
"""Owns the service's own keys. Every tenant may read their public halves."""
MESSAGE_BYTES_MAX = 1 << 20
CONTEXT_BYTES_MAX = 255
LABELS_MAX = 32


class KeyPurpose(StrEnum):
    """SIGN: what callers send. SERVICE: the service's own statements; no Sign call can address such a key."""

    SIGN = "sign"
    SERVICE = "service"


class KeyVersionState(StrEnum):
    """States of NIST SP 800-57 part 1, section 7."""

    ACTIVE = "active"
    DEACTIVATED = "deactivated"
    COMPROMISED = "compromised"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyVersion:
    """One composite key pair. `revoke_time`: from when it is not to be trusted."""

    name: KeyVersionName
    state: KeyVersionState
    material: CompositeKeyMaterial
    create_time: datetime
    deactivate_time: datetime | None = None
    revoke_time: datetime | None = None

    @property
    def public_key(self) -> CompositePublicKey:
        return CompositePublicKey.from_bytes(self.material.algorithm, self.material.public_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A named key with its versions, newest first. `primary` is the number of the version that signs."""

    name: KeyName
    purpose: KeyPurpose
    algorithm: CompositeAlgorithm
    labels: Mapping[str, str]
    primary: int | None
    revision: int
    create_time: datetime
    update_time: datetime
    revoke_time: datetime | None
    versions: tuple[KeyVersion, ...]

    @property
    def etag(self) -> str:
        """Changes with every change of the key."""
        return hashlib.sha256(f"{self.name}#{self.revision}".encode()).hexdigest()[:16]

    @property
    def next_number(self) -> int:
        return 1 + max((version.name.version for version in self.versions), default=0)

    def version(self, number: int) -> KeyVersion | None:
        return next((version for version in self.versions if version.name.version == number), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAnswer:
    """What CreateKey and RotateKey remember for a replay: the key is read afresh, the promise is the first one."""

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


def key_binding(name: KeyVersionName, purpose: KeyPurpose) -> bytes:
    """What ties the sealed half to its row (hsm associated data). No part can hold a newline."""
    return f"hallmark-key-v1\n{name}\n{purpose}".encode()


def signing_version(key: Key, number: int | None) -> KeyVersion:
    """The version that may sign now. Raises FailedPrecondition with what to do."""
    if key.revoke_time is not None:
        raise FailedPrecondition(
            Reason.KEY_REVOKED, f"{key.name} was revoked; create a new key", resource=str(key.name)
        )
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
