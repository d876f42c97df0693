"""The backend that works: a folder, and a root of trust that says honestly what it is."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from hallmark_client.device.policy import DENY_ALL
from hallmark_client.device.roots.port import RootOfTrust
from hallmark_client.device.vault import Vault

from ..artifact import EncryptedArtifact, StoredArtifact, stored  # noqa: TID252 - the package also has its old name
from ..errors import BackendError, old_errors  # noqa: TID252
from ..policy import AccessPolicy  # noqa: TID252
from .base import EnclaveBackend

_FIRST_POLICY: Final = 1


class DeviceBackend(EnclaveBackend):
    """folder: of the vault; made where there is none. root: of hallmark_client.device.roots; stays the caller's.

    Several EnclaveVaults over one backend share its vault; the last one that locks closes it, and its keys are gone.
    """

    name = "device"
    platform = "device"

    def __init__(
        self, folder: Path, root: RootOfTrust, *, device_id: str = "device-unknown", device_model: str = "unknown"
    ) -> None:
        self.device_id = device_id
        self.device_model = device_model
        self.enclave_vendor = f"{root.facts.name} ({root.facts.assurance.value})"
        self._folder = folder
        self._root = root
        self._lock = threading.RLock()
        self._vault: Vault | None = None
        self._holders = 0
        self._session_keys: dict[str, tuple[bytearray, datetime]] = {}
        self._foreign: dict[str, EncryptedArtifact] = {}

    @property
    def folder(self) -> Path:
        return self._folder

    def hold(self) -> tuple[Vault, Callable[[], None]]:
        with self._lock, old_errors():
            if self._vault is None:
                self._vault = _opened(self._folder, self._root)
            self._holders += 1
            return self._vault, self._once()

    @contextmanager
    def opened(self) -> Iterator[Vault]:
        vault, let_go = self.hold()
        try:
            yield vault
        finally:
            let_go()

    def store_session_key(self, key_id: str, key: bytes, expires_at: str) -> None:
        """In memory, until it expires or the vault is locked. expires_at: RFC 3339; empty is now."""
        until = datetime.fromisoformat(expires_at) if expires_at else datetime.now(UTC)
        self._session_keys[key_id] = (bytearray(key), until)

    def load_session_key(self, key_id: str) -> bytes | None:
        key, until = self._session_keys.get(key_id, (None, None))
        return None if key is None or until is None or until <= datetime.now(UTC) else bytes(key)

    def save_artifacts(self, artifacts: dict[str, EncryptedArtifact]) -> None:
        """What a vault stored is on disk already. Others are kept in memory, and nothing here opens them."""
        self._foreign = {key: each for key, each in artifacts.items() if not isinstance(each, StoredArtifact)}

    def load_artifacts(self) -> dict[str, EncryptedArtifact]:
        """By id. Opens the vault for a moment where it is locked."""
        with self.opened() as vault:
            found = [stored(artifact, self.folder) for artifact in vault.artifacts()]
        return {**self._foreign, **{each.metadata.artifact_id: each for each in found}}

    def _once(self) -> Callable[[], None]:
        held = [True]

        def let_go() -> None:
            with self._lock:
                if held:
                    held.clear()
                    self._let_go()

        return let_go

    def _let_go(self) -> None:
        self._holders -= 1
        if self._holders or self._vault is None:
            return
        vault, self._vault = self._vault, None
        for key, _ in self._session_keys.values():
            key[:] = bytes(len(key))
        self._session_keys.clear()
        with old_errors():
            vault.close()


def _opened(folder: Path, root: RootOfTrust) -> Vault:
    """A vault that is empty and closed to everybody, as a new one is, becomes open to this program."""
    vault = Vault.open(folder, root)
    try:
        if vault.policy == DENY_ALL and not vault.artifacts():
            vault.set_policy(AccessPolicy().in_vault(_FIRST_POLICY))
    except BaseException:
        vault.close()
        raise
    return vault


class BridgeBackend(DeviceBackend):
    """A backend with the name of hardware: it works over the bridge of a native app on such a device, or not at all."""

    NEEDS = ""

    def __init__(self, device_id: str, device_model: str, *, folder: Path | None, bridge: RootOfTrust | None) -> None:
        if (folder is None) != (bridge is None):
            raise BackendError(f"{type(self).__name__} takes a folder and a bridge, both or neither")
        if bridge is not None and bridge.facts.name != "bridge":
            raise BackendError(
                f"a {bridge.facts.name} root is no {self.name}: use DeviceBackend, which says what it is. {self.NEEDS}"
            )
        if folder is not None and bridge is not None:
            vendor = self.enclave_vendor
            super().__init__(folder, bridge, device_id=device_id, device_model=device_model)
            self.enclave_vendor = vendor
        self.device_id = device_id
        self.device_model = device_model
        self._is_connected = bridge is not None

    def hold(self) -> tuple[Vault, Callable[[], None]]:
        self._check_connected()
        return super().hold()

    @property
    def folder(self) -> Path:
        self._check_connected()
        return super().folder

    def store_session_key(self, key_id: str, key: bytes, expires_at: str) -> None:
        self._check_connected()
        super().store_session_key(key_id, key, expires_at)

    def load_session_key(self, key_id: str) -> bytes | None:
        self._check_connected()
        return super().load_session_key(key_id)

    def save_artifacts(self, artifacts: dict[str, EncryptedArtifact]) -> None:
        self._check_connected()
        super().save_artifacts(artifacts)

    def _check_connected(self) -> None:
        if not self._is_connected:
            raise BackendError(
                f"{type(self).__name__}: no Python program reaches this hardware by itself. {self.NEEDS} Have the app "
                "serve the bridge (docs/device.md), then give folder= and bridge=BridgeRoot(socket). "
                "Without such an app: DeviceBackend over a TPM, a token, the keyring or a passphrase"
            )
