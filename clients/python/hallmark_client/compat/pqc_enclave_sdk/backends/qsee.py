from pathlib import Path

from hallmark_client.device.roots.port import RootOfTrust

from .device import BridgeBackend


class QSEEBackend(BridgeBackend):
    """Qualcomm's secure execution environment, through a native service and its signed trusted application."""

    name = "qualcomm-qsee"
    platform = "qsee"
    enclave_vendor = "qualcomm-qsee"
    NEEDS = "QSEE runs trusted applications that the device's maker signs, and a native service talks to them."

    def __init__(
        self,
        device_id: str = "snapdragon-unknown",
        device_model: str = "snapdragon-unknown",
        ta_name: str = "com.dyber.pqc.enclave.ta",
        *,
        folder: Path | None = None,
        bridge: RootOfTrust | None = None,
    ) -> None:
        super().__init__(device_id, device_model, folder=folder, bridge=bridge)
        self.ta_name = ta_name
