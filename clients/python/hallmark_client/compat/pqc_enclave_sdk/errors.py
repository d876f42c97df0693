"""The old tree of errors. What the vault underneath says is kept: as the text, and as the cause.

EnclaveSDKError
├── UnknownArtifactError   no such artifact, or it was deleted
├── EnclaveLockedError     unlock() first, or again
├── DecryptionError        encrypted bytes are not what was stored
├── BackendError           disk or root of trust: lost, rolled back, in use, not there
├── AttestationError       an attestation does not hold: the message says why
└── PolicyViolationError   the policy says no, or the artifact is suspended
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from hallmark_client.device.errors import (
    ArtifactSuspended,
    ArtifactUnknown,
    ContentInvalid,
    DeviceError,
    PolicyViolation,
)


class EnclaveSDKError(Exception):
    """Base of all of them."""


class UnknownArtifactError(EnclaveSDKError):
    """Never stored here, or deleted."""


class EnclaveLockedError(EnclaveSDKError):
    """The vault is not unlocked, or no longer."""


class DecryptionError(EnclaveSDKError):
    """Changed, truncated or swapped. No byte of it was given out."""


class BackendError(EnclaveSDKError):
    """The disk or the root of trust behind the backend refused."""


class AttestationError(EnclaveSDKError):
    """Not signed by a key that is trusted, not for this question, or too old."""


class PolicyViolationError(EnclaveSDKError):
    """The policy does not let this caller do that."""


_NAMES: Final[tuple[tuple[type[DeviceError], type[EnclaveSDKError]], ...]] = (
    (ArtifactUnknown, UnknownArtifactError),
    (ContentInvalid, DecryptionError),
    (PolicyViolation, PolicyViolationError),
    (ArtifactSuspended, PolicyViolationError),
    (DeviceError, BackendError),
)


@contextmanager
def old_errors() -> Iterator[None]:
    """Every DeviceError becomes the one of this tree."""
    try:
        yield
    except DeviceError as error:
        raise next(old for new, old in _NAMES if isinstance(error, new))(str(error)) from error
