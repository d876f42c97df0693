"""What can go wrong with an update beside the release itself, below DeviceError.

DeviceError
└── UpdateFailed
    ├── ReleaseRevoked      revoked, withdrawn, superseded or to be deleted: what was fetched of it is gone
    ├── ReleaseSuspended    may not be used now; what was fetched stays, encrypted, for later
    ├── EpochReused         another release has the epoch of one that was believed here
    ├── NoSpace             the disk has not enough room
    ├── ContentKeyRefused   the service does not give the key to this device now
    ├── ContentKeyInvalid   what it gave is not for this device, release or question
    ├── UpdateRunning       another update uses the same folder
    └── UpdateStoreFailed   the folder of updates can not be read or written

What is wrong with a release or its repository is told by hallmark_release.errors, each attack by a class of its own.
"""

from hallmark_client.device.errors import DeviceError


class UpdateFailed(DeviceError):
    """Base. The vault is as it was before."""


class ReleaseRevoked(UpdateFailed):
    """RELEASE_REVOKED. metadata["why"]: as of ArtifactSuspended, or the service's reason."""


class ReleaseSuspended(UpdateFailed):
    """RELEASE_SUSPENDED. metadata["why"]: as of ArtifactSuspended."""


class EpochReused(UpdateFailed):
    """EPOCH_REUSED: two releases were signed and logged under one epoch. Both keys or the publisher are in trouble."""


class NoSpace(UpdateFailed):
    """NO_SPACE. metadata: "needed" and "free", bytes."""


class ContentKeyRefused(UpdateFailed):
    """The reason is the service's: LEASE_REQUIRED, VERDICT_TOO_OLD, ..."""


class ContentKeyInvalid(UpdateFailed):
    """CONTENT_KEY_INVALID: sealed to another device, or the answer to another question."""


class UpdateRunning(UpdateFailed):
    """UPDATE_RUNNING: one update at a time in one folder."""


class UpdateStoreFailed(UpdateFailed):
    """UPDATE_STORE: the message says which file and what to do."""
