"""TPM 2.0 as a vault's root of trust. What attests the device with it: `tpm2.attestation`."""

from hallmark_client.device.roots.tpm2.root import Tpm2Root, open_tpm2_root

__all__ = ["Tpm2Root", "open_tpm2_root"]
