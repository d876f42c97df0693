"""What a device runs: a vault for models and credentials, roots of trust, updates.

    from hallmark_client.device import Caller, Device, open_root, secret_file

    root = open_root("passphrase:root.json", passphrase=secret_file(Path("passphrase")))
    with Device.open("vault", root=root) as device:
        device.start()
        weights = device.vault.read("example-7b", part="weights.bin", caller=Caller(application="assistant"))

Each name is loaded when it is asked for first: a device that reads its vault loads nothing of updates. Without a
program: `python -m hallmark_client.device --help`.
"""

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hallmark_client.device.agent.client import AgentClient
    from hallmark_client.device.agent.errors import AgentBusy, AgentUnavailable
    from hallmark_client.device.errors import (
        ArtifactExists,
        ArtifactSuspended,
        ArtifactUnknown,
        ContentInvalid,
        DeviceError,
        LimitReached,
        PolicyViolation,
        RolledBack,
        RootLost,
        RootUnavailable,
        StoreFailed,
        VaultInUse,
    )
    from hallmark_client.device.life.device import Device, update
    from hallmark_client.device.life.errors import EnrolmentRefused, NotEnrolled
    from hallmark_client.device.model import Caller
    from hallmark_client.device.policy.vault_policy import VaultPolicy
    from hallmark_client.device.roots.choose import open_root, secret_file
    from hallmark_client.device.updates.errors import (
        ContentKeyRefused,
        NoSpace,
        ReleaseRevoked,
        ReleaseSuspended,
        UpdateFailed,
        UpdateRunning,
    )
    from hallmark_client.device.vault.vault import Vault
    from hallmark_client.model.consents import ArtifactKind
    from hallmark_release.errors import ReleaseError
    from hallmark_release.trust import ReleaseTrust

__all__ = [
    "AgentBusy",
    "AgentClient",
    "AgentUnavailable",
    "ArtifactExists",
    "ArtifactKind",
    "ArtifactSuspended",
    "ArtifactUnknown",
    "Caller",
    "ContentInvalid",
    "ContentKeyRefused",
    "Device",
    "DeviceError",
    "EnrolmentRefused",
    "LimitReached",
    "NoSpace",
    "NotEnrolled",
    "PolicyViolation",
    "ReleaseError",
    "ReleaseRevoked",
    "ReleaseSuspended",
    "ReleaseTrust",
    "RolledBack",
    "RootLost",
    "RootUnavailable",
    "StoreFailed",
    "UpdateFailed",
    "UpdateRunning",
    "Vault",
    "VaultInUse",
    "VaultPolicy",
    "open_root",
    "secret_file",
    "update",
]

_ERRORS: Final = (
    "ArtifactExists ArtifactSuspended ArtifactUnknown ContentInvalid DeviceError LimitReached PolicyViolation "
    "RolledBack RootLost RootUnavailable StoreFailed VaultInUse"
)
_PLACES: Final = {
    "hallmark_client.device.agent.client": "AgentClient",
    "hallmark_client.device.agent.errors": "AgentBusy AgentUnavailable",
    "hallmark_client.device.errors": _ERRORS,
    "hallmark_client.device.life.device": "Device update",
    "hallmark_client.device.life.errors": "EnrolmentRefused NotEnrolled",
    "hallmark_client.device.model": "Caller",
    "hallmark_client.device.policy.vault_policy": "VaultPolicy",
    "hallmark_client.device.roots.choose": "open_root secret_file",
    "hallmark_client.device.updates.errors": "ContentKeyRefused NoSpace ReleaseRevoked ReleaseSuspended UpdateFailed "
    "UpdateRunning",
    "hallmark_client.device.vault.vault": "Vault",
    "hallmark_client.model.consents": "ArtifactKind",
    "hallmark_release.errors": "ReleaseError",
    "hallmark_release.trust": "ReleaseTrust",
}
_PLACE_OF: Final = {name: place for place, names in _PLACES.items() for name in names.split()}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """PEP 562: of the names above, when one is asked for."""
        if name not in _PLACE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(_PLACE_OF[name]), name)
