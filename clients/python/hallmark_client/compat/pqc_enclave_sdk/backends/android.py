from pathlib import Path

from hallmark_client.device.roots.port import RootOfTrust

from .device import BridgeBackend


class AndroidEnclaveBackend(BridgeBackend):
    """Android Keystore (StrongBox or TEE), through a native app on the device."""

    name = "android-strongbox"
    platform = "android"
    enclave_vendor = "android-strongbox"
    KEY_STORE_PROVIDER = "AndroidKeyStore"
    NEEDS = "Android Keystore is driven by a Kotlin or Java app (AndroidKeyStore, KeyGenParameterSpec)."

    def __init__(
        self,
        device_id: str = "android-unknown",
        device_model: str = "android-unknown",
        keystore_alias: str = "com.dyber.pqc.enclave.session",
        *,
        folder: Path | None = None,
        bridge: RootOfTrust | None = None,
    ) -> None:
        super().__init__(device_id, device_model, folder=folder, bridge=bridge)
        self.keystore_alias = keystore_alias
