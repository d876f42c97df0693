"""A vault with its root of trust, as command lines name them; with the device's life, where it was enrolled."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hallmark_client.device.life.attester import Attester
from hallmark_client.device.life.device import Device
from hallmark_client.device.life.errors import NotEnrolled
from hallmark_client.device.life.store import FILE
from hallmark_client.device.roots.choose import Ask, SecretMissing, open_root
from hallmark_client.device.roots.port import RootOfTrust
from hallmark_client.device.vault import Vault

ROOT_STATE: Final = "root.json"
"""In the vault's folder, for a TPM root."""


@contextmanager
def opened_root(folder: Path, address: str, *, secret: Ask | None = None) -> Iterator[RootOfTrust]:
    """Makes the folder and the root where there is none. secret: passphrase or PIN. Raises RootFailed."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        root = open_root(address, state=folder / ROOT_STATE, passphrase=secret, pin=secret)
    except SecretMissing:
        scheme = address.partition(":")[0]
        sentence = f"the root of trust {scheme}: has a passphrase or PIN: give --secret-file FILE with it (chmod 600)"
        raise SecretMissing(sentence) from None
    try:
        yield root
    finally:
        root.close()


def check_enrolled(folder: Path) -> None:
    """Before anything is made or opened: there was an enrolment here. Raises NotEnrolled."""
    if not (folder / FILE).exists():
        raise NotEnrolled("NOT_ENROLLED", f"{folder} is no enrolled device's folder")


@contextmanager
def opened_vault(folder: Path, root: RootOfTrust, *, tenant: str = "default") -> Iterator[Vault | Device]:
    """An enrolled device lives with the service from here on, in threads of its own. Raises DeviceError."""
    if not (folder / FILE).exists():
        with Vault.open(folder, root, tenant=tenant) as vault:
            yield vault
        return
    with Device.open(folder, root=root, attester=attester_of(root)) as device:
        device.start()
        yield device


def attester_of(root: RootOfTrust) -> Attester | None:
    """What can vouch for a device with this root of trust; None: nothing but the device's own software."""
    match root.facts.name:
        case "tpm2":
            from hallmark_client.device.roots.tpm2.attestation import TpmAttester
            from hallmark_client.device.roots.tpm2.root import Tpm2Root

            assert isinstance(root, Tpm2Root)
            return TpmAttester(root)
        case "bridge":
            from hallmark_client.device.roots.bridge import BridgeRoot
            from hallmark_client.device.roots.bridge_attester import BridgeAttester

            assert isinstance(root, BridgeRoot)
            return BridgeAttester(root)
        case _:
            return None
