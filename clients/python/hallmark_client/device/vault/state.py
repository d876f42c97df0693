"""What the parts of an open vault share."""

from dataclasses import dataclass

from hallmark_client.device.roots.port import RootFacts
from hallmark_client.device.vault.disk import Disk
from hallmark_client.device.vault.epochs import Epochs
from hallmark_client.device.vault.folder import VaultFolder
from hallmark_client.device.vault.holdings import Holdings
from hallmark_client.device.vault.index import Index
from hallmark_client.device.vault.ledger import Ledger
from hallmark_client.device.vault.secrets import Secrets
from hallmark_client.system import System


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultState:
    tenant: str
    system: System
    disk: Disk
    folder: VaultFolder
    index: Index
    ledger: Ledger
    epochs: Epochs
    holdings: Holdings
    secrets: Secrets
    root_facts: RootFacts
