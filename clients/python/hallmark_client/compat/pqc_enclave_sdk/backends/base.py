"""The old port of backends."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from hallmark_client.device.vault import Vault

from ..artifact import EncryptedArtifact  # noqa: TID252 - the package also answers to its old name
from ..errors import BackendError  # noqa: TID252


class EnclaveBackend(ABC):
    """The four old methods, and how EnclaveVault gets at the vault of the device. A backend of your own that has only
    the four has no place for a vault: derive from DeviceBackend, with a folder and a root of trust.
    """

    name: str = ""
    platform: str = ""
    device_id: str = ""
    device_model: str = ""
    enclave_vendor: str = ""

    @abstractmethod
    def store_session_key(self, key_id: str, key: bytes, expires_at: str) -> None: ...

    @abstractmethod
    def load_session_key(self, key_id: str) -> bytes | None: ...

    @abstractmethod
    def save_artifacts(self, artifacts: dict[str, EncryptedArtifact]) -> None: ...

    @abstractmethod
    def load_artifacts(self) -> dict[str, EncryptedArtifact]: ...

    @property
    def folder(self) -> Path:
        """Of the vault."""
        raise self._no_vault()

    def hold(self) -> tuple[Vault, Callable[[], None]]:
        """The vault, open until what comes with it is called; calling it twice does nothing more."""
        raise self._no_vault()

    def opened(self) -> AbstractContextManager[Vault]:
        """The vault, open within the block."""
        raise self._no_vault()

    def _no_vault(self) -> BackendError:
        return BackendError(
            f"{type(self).__name__} has no vault: derive it from DeviceBackend and give it a folder and a root of "
            "trust, such as open_root('tpm2:') or open_root('passphrase:FILE') of hallmark_client.device.roots.choose"
        )
