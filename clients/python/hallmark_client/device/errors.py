"""Every way a vault, its root of trust or an update can fail, as one tree below HallmarkError.

DeviceError
├── ArtifactUnknown      no such artifact here, or it was deleted
├── ArtifactExists       this name and version is here already
├── ArtifactSuspended    it is here, but may not be used now; what is encrypted stays
├── PolicyViolation      the policy does not let this caller do that: `clause` says which one
│   └── LimitReached     a number of uses or a time limit is spent
├── ContentInvalid       encrypted bytes are not what was stored: changed, truncated, swapped
├── RolledBack           an older state of the vault was put back
├── StoreFailed          the disk or the index refused; nothing was lost
├── VaultInUse           another process has the vault open: use its agent
└── RootFailed           the root of trust can not be used
    ├── RootUnavailable  not there now: no TPM, no keyring, wrong passphrase, token away
    └── RootLost         it is there, but it is not the one that this vault was made with, or its keys are gone
"""

from hallmark_client.errors import HallmarkError


class DeviceError(HallmarkError):
    """Base of what goes wrong on the device itself."""


class ArtifactUnknown(DeviceError):
    """ARTIFACT_UNKNOWN: never stored here, or deleted. Which of both is not told."""


class ArtifactExists(DeviceError):
    """ARTIFACT_EXISTS: this name and version is here already. Choose a higher version."""


class ArtifactSuspended(DeviceError):
    """ARTIFACT_SUSPENDED: no lease, no proof of freshness, or suspended by the service. metadata["why"]."""


class PolicyViolation(DeviceError):
    """POLICY_VIOLATION. `clause`: the name of the clause that says no; "default-deny" where none says yes."""

    def __init__(self, clause: str, message: str, *, reason: str = "POLICY_VIOLATION") -> None:
        super().__init__(reason, message, metadata={"clause": clause})
        self.clause = clause


class LimitReached(PolicyViolation):
    """LIMIT_REACHED: max_uses or not_after of the clause is spent."""

    def __init__(self, clause: str, message: str) -> None:
        super().__init__(clause, message, reason="LIMIT_REACHED")


class ContentInvalid(DeviceError):
    """CONTENT_INVALID: changed, truncated, extended, or encrypted for another context. No byte of it was given out."""


class RolledBack(DeviceError):
    """ROLLED_BACK: the index on disk is older than what the root of trust has seen."""


class StoreFailed(DeviceError):
    """STORE_FAILED: no space, no permission, a damaged index. The message says which file and what to do."""


class VaultInUse(DeviceError):
    """VAULT_IN_USE: one process at a time. Let it run as agent and connect to its socket."""


class RootFailed(DeviceError):
    """The root of trust can not be used."""


class RootUnavailable(RootFailed):
    """ROOT_UNAVAILABLE: not reachable, or what unlocks it is missing or wrong."""


class RootLost(RootFailed):
    """ROOT_LOST: what it sealed can not be opened any more: cleared, replaced, or shredded on purpose."""
