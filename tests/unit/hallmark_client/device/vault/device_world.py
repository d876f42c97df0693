"""A device with a vault: clocks stand still until told otherwise, restarts are calls."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hallmark_client.device.policy import VaultPolicy
from hallmark_client.device.roots.memory import MemoryRoot
from hallmark_client.device.vault import Permissions, Vault
from hallmark_client.system import System


class World:
    """One device: a folder, a root of trust that survives restarts, clocks that stand still until told otherwise."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "vault"
        self.root = MemoryRoot()
        self.seconds = 0.0
        self.time = datetime(2026, 11, 22, tzinfo=UTC)
        self.permissions: Permissions | None = None
        self.policy: VaultPolicy | None = VaultPolicy.allow_own("app")
        self.vault: Vault | None = None

    def open(self, folder: Path | None = None) -> Vault:
        policy, self.policy = self.policy, None
        self.root = MemoryRoot(self.root.state)
        self.vault = Vault.open(
            folder or self.folder,
            self.root,
            policy=policy,
            permissions=self.permissions,
            system=System(monotonic=lambda: self.seconds),
            now=lambda: self.time,
        )
        return self.vault

    def reopen(self) -> Vault:
        self.close()
        return self.open()

    def close(self) -> None:
        if self.vault is not None:
            self.vault.close()
            self.vault = None

    def passes(self, seconds: float) -> None:
        self.seconds += seconds
        self.time += timedelta(seconds=seconds)
