"""Releases of models onto a device: verified before anything is fetched, checked before anything is visible.

    updater = Updater(device.vault, "https://models.example", ReleaseTrust.load(Path("trust")),
                      key_source=device.request_key, folder=Path("updates"))
    installed = updater.update("example-7b", progress=print)

A device of the SDK brings all of that: `device.update("example-7b", source, trust)`. docs/device-update.md has
the order, the attacks and the limits.
"""

from hallmark_client.device.updates.downloads import UpdateFolder
from hallmark_client.device.updates.errors import (
    ContentKeyInvalid,
    ContentKeyRefused,
    EpochReused,
    NoSpace,
    ReleaseRevoked,
    ReleaseSuspended,
    UpdateFailed,
    UpdateRunning,
    UpdateStoreFailed,
)
from hallmark_client.device.updates.model import (
    Available,
    Installed,
    KeySource,
    OnProgress,
    Progress,
    Stage,
    UpdateSettings,
    UpToDate,
)
from hallmark_client.device.updates.updater import Updater

__all__ = [
    "Available",
    "ContentKeyInvalid",
    "ContentKeyRefused",
    "EpochReused",
    "Installed",
    "KeySource",
    "NoSpace",
    "OnProgress",
    "Progress",
    "ReleaseRevoked",
    "ReleaseSuspended",
    "Stage",
    "UpToDate",
    "UpdateFailed",
    "UpdateFolder",
    "UpdateRunning",
    "UpdateSettings",
    "UpdateStoreFailed",
    "Updater",
]
