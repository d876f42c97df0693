"""Releases of models, and the rules about them as pure functions."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from kms.artifacts.model import VERSION_MAX, ModelName
from kms.consent.model import ArtifactKind
from kms.core.errors import FailedPrecondition, Reason
from kms.core.names import ChildName, DigestName, KeyVersionName
from kms.events.model import Status

COLLECTION: Final = "releases"
EPOCH_MAX: Final = VERSION_MAX
"""An epoch is a version of its model."""
VERSION_CHARACTERS_MAX: Final = 64
DIGEST_BYTES: Final = 32
NONCE_BYTES_MIN: Final = 16
NONCE_BYTES_MAX: Final = 64
FOR_EVER: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""No end is known: as RFC 5280, section 4.1.2.5 writes it, and the last second of a protobuf Timestamp."""


class ReleaseState(StrEnum):
    """REVOKED is for ever. SUPERSEDED: its epoch is below the minimum of its model."""

    AVAILABLE = "AVAILABLE"
    REVOKED = "REVOKED"
    SUSPENDED = "SUSPENDED"
    SUPERSEDED = "SUPERSEDED"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedKey:
    """The content key (32 bytes), sealed to `key_version`: enc || ciphertext, and the HPKE info it was sealed with."""

    key_version: KeyVersionName
    envelope: bytes
    info: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What was made known of a release; it never changes. `name.digest` is the SHA-256 of the statement.

    `index_sha256`: 32 bytes. `creator`: the SPIFFE ID of who made it known.
    """

    name: DigestName
    model: ModelName
    version: str
    epoch: int
    minimum_epoch: int
    kind: ArtifactKind
    index_sha256: bytes
    content_key: SealedKey
    requires_consent: bool
    creator: str
    create_time: datetime

    @property
    def artifact(self) -> DigestName:
        """What consents, leases, revocations and removals are about."""
        return DigestName(self.name.tenant, "artifacts", self.name.digest)


@dataclass(frozen=True, slots=True)
class Listed:
    """A release, and what may be done with it now."""

    release: Release
    state: ReleaseState


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A device and an artifact. `release_time`: when it last got the key; `end_time`: when it was last asked to delete.

    `unbounded`: it got the key with no lease behind it, so nothing but a deletion ends what it holds.
    """

    device: ChildName
    artifact: DigestName
    release_time: datetime | None
    end_time: datetime | None
    unbounded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditAnchor:
    """The head (32 bytes) of a device's audit chain after `size` entries."""

    device: ChildName
    size: int
    head: bytes
    anchor_time: datetime

    def is_followed_by(self, size: int, head: bytes) -> bool:
        """Entries are only added: more of them, or the same ones."""
        return size > self.size or (size == self.size and head == self.head)


def state_of(epoch: int, artifact: Status, minimum: int) -> ReleaseState:
    """`artifact`: what is said of the artifact; `minimum`: the minimum version of the model, 0 for none."""
    if artifact is Status.INVALID:
        return ReleaseState.REVOKED
    if artifact is Status.SUSPENDED:
        return ReleaseState.SUSPENDED
    return ReleaseState.SUPERSEDED if epoch < minimum else ReleaseState.AVAILABLE


_REFUSALS: Final = {
    ReleaseState.REVOKED: (Reason.ARTIFACT_REVOKED, "was revoked, for ever"),
    ReleaseState.SUSPENDED: (Reason.ARTIFACT_SUSPENDED, "is suspended; it may be used again once it is resumed"),
    ReleaseState.SUPERSEDED: (Reason.ARTIFACT_SUPERSEDED, "is below the minimum epoch of its model; take a newer one"),
}


def check_available(artifact: DigestName, state: ReleaseState) -> None:
    """Raises FailedPrecondition (ARTIFACT_REVOKED, ARTIFACT_SUSPENDED, ARTIFACT_SUPERSEDED)."""
    if state is not ReleaseState.AVAILABLE:
        reason, sentence = _REFUSALS[state]
        raise FailedPrecondition(reason, f"{artifact} {sentence}", resource=str(artifact))
