"""The vault of a device: what it holds is encrypted under keys that a root of trust keeps."""

from hallmark_client.device.vault.access import OWNER, Permissions
from hallmark_client.device.vault.checking import CheckReport, Damage
from hallmark_client.device.vault.disk import Disk
from hallmark_client.device.vault.erasure import Deletion
from hallmark_client.device.vault.reader import ArtifactReader
from hallmark_client.device.vault.storing import AdoptedPart
from hallmark_client.device.vault.vault import Vault

__all__ = [
    "OWNER",
    "AdoptedPart",
    "ArtifactReader",
    "CheckReport",
    "Damage",
    "Deletion",
    "Disk",
    "Permissions",
    "Vault",
]
