"""Prepares the token, in a short process of its own: `python -P -m hsm.pkcs11.setup --data-folder F`.

Steps, each skipped when its result is there, so that an interrupted run is finished by the next:
1. lock the data folder against a second set-up
2. SoftHSM only: write softhsm2.conf and the token folder
3. PIN file (unless the operator gives the PIN) and security officer's PIN file, on disk before the token exists
4. find the token by serial or label; SoftHSM only: create it, but never in place of one that was there before
5. set the user PIN
6. log in, once; find the newest key-encryption key, or create the first; the recorded one may be gone only if a
   newer one took its place
7. record the token's serial and that key's id and generation

Prints one line of JSON: {"token_serial", "kek_id"} or {"code", "message"}.
"""

import argparse
import fcntl
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pkcs11 import exceptions as driver

from hsm.errors import HsmError, SetupError, TokenNotFound
from hsm.material import CKA_ID_SIZE
from hsm.secret import Secret

from .faults import translate
from .init_token import has_user_pin, init_token, init_user_pin
from .kek import find_keks, generate_kek
from .kek_order import Kek, newest_of
from .library import find_token, open_library
from .pin import ensure_pin_file, read_pin, sync_folder
from .settings import Pkcs11Settings, is_softhsm, resolve_module
from .token_files import keep_copies, mend


@dataclass(frozen=True, slots=True)
class PreparedToken:
    serial: str
    kek: Kek


def prepare(settings: Pkcs11Settings) -> PreparedToken:
    """Raises HsmError."""
    module = resolve_module(settings.module)
    try:
        settings.data_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(f"the data folder {settings.data_folder} cannot be made: {error.strerror}") from None
    with _locked(settings.data_folder):
        if is_softhsm(module):
            _write_softhsm_configuration(settings)
            mend(settings.data_folder)
            if settings.pin_env is None and settings.pin_file is None:
                ensure_pin_file(settings.data_folder / "token-pin")
        pin = read_pin(settings.effective_pin_file, settings.pin_env, os.environ)
        library = open_library(module)
        token = _find_or_create_token(library, module, settings, pin)
        kek = _find_or_create_kek(token, pin, _recorded_kek(settings), settings)
        prepared = PreparedToken(token.serial.decode("utf-8", "replace").strip(), kek)
        facts = {
            "serial": prepared.serial,
            "label": token.label,
            "kek_id": kek[1].hex(),
            "kek_generation": kek[0],
        }
        _record(_record_file(settings), facts)
        keep_copies(settings.data_folder)
    return prepared


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "setup.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _write_softhsm_configuration(settings: Pkcs11Settings) -> None:
    tokens = (settings.data_folder / "tokens").absolute()
    if not _record_file(settings).exists():
        tokens.mkdir(mode=0o700, exist_ok=True)
    elif not tokens.is_dir():
        raise TokenNotFound(f"the token folder {tokens} is gone. {_how_to_restore(settings)}")
    text = (
        f"directories.tokendir = {tokens}\n"
        "objectstore.backend = file\n"
        "objectstore.umask = 0077\n"
        "log.level = ERROR\n"
        "slots.removable = false\n"
    )
    path = settings.softhsm_configuration
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
    os.environ["SOFTHSM2_CONF"] = str(path.absolute())


def _find_or_create_token(library: Any, module: Path, settings: Pkcs11Settings, pin: Secret) -> Any:
    so_pin_file = settings.data_folder / "token-so-pin"
    recorded = _record_file(settings)
    try:
        token = find_token(library, label=settings.token_label, serial=settings.token_serial)
    except TokenNotFound as error:
        if not is_softhsm(module) or settings.token_serial is not None:
            raise
        if recorded.exists():
            raise TokenNotFound(f"{error}. {_how_to_restore(settings)}") from None
        ensure_pin_file(so_pin_file)
        init_token(library, module, label=settings.token_label, so_pin=read_pin(so_pin_file, None, {}))
        token = find_token(library, label=settings.token_label, serial=None)
    if not has_user_pin(token):
        init_user_pin(token, so_pin=read_pin(so_pin_file, None, {}), pin=pin)
        token = find_token(library, label=settings.token_label, serial=settings.token_serial)
    return token


def _find_or_create_kek(token: Any, pin: Secret, recorded: Kek | None, settings: Pkcs11Settings) -> Kek:
    """The newest key-encryption key. Never a first one in place of those that seeds are sealed under."""
    try:
        session = token.open(rw=True, user_pin=pin.reveal().decode())
        try:
            found = find_keks(session)
            newest = newest_of(found)
            if recorded is not None and recorded not in found and (newest is None or newest[0] <= recorded[0]):
                raise SetupError(
                    f"the token has lost the key-encryption key {recorded[1].hex()}. {_how_to_restore(settings)}"
                )
            if newest is not None:
                return newest
            kek_id = os.urandom(CKA_ID_SIZE)
            generate_kek(session, generation=1, kek_id=kek_id)
            return 1, kek_id
        finally:
            session.close()
    except driver.PKCS11Error as error:
        raise translate(error) from None


def _recorded_kek(settings: Pkcs11Settings) -> Kek | None:
    path = _record_file(settings)
    if not path.exists():
        return None
    try:
        record = json.loads(path.read_text())
        return int(record.get("kek_generation", 1)), bytes.fromhex(record["kek_id"])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SetupError(f"{path} is damaged: restore it, or remove it to begin anew without the old keys") from None


def _record_file(settings: Pkcs11Settings) -> Path:
    return settings.data_folder / "token.json"


def _how_to_restore(settings: Pkcs11Settings) -> str:
    return (
        "This data folder has had a token before, so nothing is created in its place: restore "
        f"{settings.data_folder / 'tokens'}, or remove {_record_file(settings)} to begin anew without the old keys"
    )


def _record(path: Path, facts: dict[str, str | int]) -> None:
    text = json.dumps(facts) + "\n"
    if path.exists() and path.read_text() == text:
        return
    new = path.with_suffix(".new")
    with new.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)
    sync_folder(path.parent)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m hsm.pkcs11.setup", description="Prepares the token.")
    parser.add_argument("--data-folder", type=Path, required=True)
    parser.add_argument("--module", type=Path)
    parser.add_argument("--pin-file", type=Path)
    parser.add_argument("--pin-env", help="name of the environment variable that holds the PIN")
    parser.add_argument("--token-label", default="hallmark")
    parser.add_argument("--token-serial")
    try:
        prepared = prepare(Pkcs11Settings(**vars(parser.parse_args())))
        answer = {"token_serial": prepared.serial, "kek_id": prepared.kek[1].hex()}
    except HsmError as error:
        answer = {"code": error.code, "message": str(error)}
    except OSError as error:
        answer = {"code": SetupError.code, "message": f"set-up cannot write its files: {error}"}
    print(json.dumps(answer))  # noqa: T201 - the answer to the service that started this process
    return 1 if "code" in answer else 0


if __name__ == "__main__":
    sys.exit(main())
