"""The options that say which vault, and how it is opened: by its folder and its root of trust."""

import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from kms.cli.failure import not_usable

if TYPE_CHECKING:
    from hallmark_client.device.roots.port import RootOfTrust
    from hallmark_client.device.vault import Vault

FOLDER: Final = Path("vault")
CLI_APPLICATION: Final = "hallmark-vault"
"""What this command line calls itself."""
_GIVE_FILE: Final = "Put it into a file of yours alone (chmod 600): --secret-file FILE, or HALLMARK_VAULT_SECRET_FILE"


@dataclass(frozen=True, slots=True)
class Place:
    """root: address of the root of trust; "" where none was given. secret_file: passphrase or PIN; None: asked for."""

    folder: Path
    root: str
    secret_file: Path | None
    tenant: str = "default"

    @property
    def exists(self) -> bool:
        return (self.folder / "index.sqlite").exists()

    @property
    def address(self) -> str:
        """As given; without one, that of a passphrase beside the vault's index, which works everywhere."""
        return self.root or f"passphrase:{self.folder / 'root.json'}"

    @contextmanager
    def open_root(self) -> Iterator["RootOfTrust"]:
        from hallmark_client.device.agent.opening import opened_root

        with opened_root(self.folder, self.address, secret=self.secret) as root:
            yield root

    @contextmanager
    def open(self) -> Iterator["Vault"]:
        """A vault that is there. Raises CommandError, DeviceError."""
        from hallmark_client.device.vault import Vault

        self.check_exists()
        with self.open_root() as root, Vault.open(self.folder, root, tenant=self.tenant) as vault:
            yield vault

    def check_exists(self) -> None:
        """Raises CommandError."""
        if not self.exists:
            raise not_usable(
                "NO_VAULT",
                f"there is no vault in {self.folder}",
                "Make one: hallmark vault init; or name it: --vault DIR",
            )

    def secret(self) -> bytearray:
        """Passphrase or PIN: from the file, else from who sits there."""
        from hallmark_client.device.roots.choose import secret_file

        if self.secret_file is not None:
            return bytearray(secret_file(self.secret_file)())
        if not _has_terminal():
            raise not_usable("SECRET_MISSING", "there is no terminal to ask for passphrase or PIN", _GIVE_FILE)
        new = not self.exists and self.address.startswith("passphrase:")
        what = "Passphrase of the vault" if self.address.startswith("passphrase:") else "PIN"
        text = click.prompt(what, hide_input=True, confirmation_prompt=new, err=True)
        return bytearray(text.encode())


def _has_terminal() -> bool:
    """Standard input may be a pipe with an artifact in it: the terminal is asked, as getpass does."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return sys.stdin.isatty()
    return True


def vault_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """--vault, --root, --secret-file and --tenant as the argument `place`."""

    @functools.wraps(function)
    def wrapped(*args: Any, folder: Path, root: str, secret_file: Path | None, tenant: str, **kwargs: Any) -> Any:
        return function(*args, place=Place(folder, root, secret_file, tenant), **kwargs)

    for option in (_TENANT, _SECRET, _ROOT, _FOLDER):
        wrapped = option(wrapped)
    return wrapped


_FOLDER: Final = click.option(
    "--vault",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=FOLDER,
    show_default=True,
    envvar="HALLMARK_VAULT",
    help="Its folder.",
)
_ROOT: Final = click.option(
    "--root",
    default="",
    envvar="HALLMARK_VAULT_ROOT",
    metavar="SPEC",
    help="What keeps its keys: tpm2:, pkcs11:..., keyring:, bridge:SOCKET or passphrase:FILE. "
    "Default: a passphrase, with its file in the vault's folder.",
)
_TENANT: Final = click.option("--tenant", default="default", help="Whose vault it is.", show_default=True)
_SECRET: Final = click.option(
    "--secret-file",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="HALLMARK_VAULT_SECRET_FILE",
    help="File with passphrase or PIN, mode 0600. Default: you are asked.",
)

as_option: Final = click.option(
    "--as",
    "application",
    default=CLI_APPLICATION,
    show_default=True,
    metavar="APPLICATION",
    help="Which application asks: the policy decides by it.",
)
