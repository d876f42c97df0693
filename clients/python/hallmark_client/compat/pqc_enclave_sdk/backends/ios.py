from pathlib import Path

from hallmark_client.device.roots.port import RootOfTrust

from .device import BridgeBackend


class iOSEnclaveBackend(BridgeBackend):  # noqa: N801 - the old name
    """Apple's Secure Enclave, through a native app on the device."""

    name = "ios-secure-enclave"
    platform = "ios"
    enclave_vendor = "apple-se"
    NEEDS = "The Secure Enclave is driven by a Swift app (CryptoKit, Keychain Services)."

    def __init__(
        self,
        device_id: str = "iphone-unknown",
        device_model: str = "iphone-unknown",
        keychain_service: str = "com.dyber.pqc.enclave",
        *,
        folder: Path | None = None,
        bridge: RootOfTrust | None = None,
    ) -> None:
        super().__init__(device_id, device_model, folder=folder, bridge=bridge)
        self.keychain_service = keychain_service
