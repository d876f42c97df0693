"""Looks for secrets of a stopped home where none may be: PINs and opened seeds, in the clear, in any file."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

PIN_FILES = ("token-pin", "token-so-pin")


def secrets_of(home: Path) -> dict[str, bytes]:
    """PINs, and every seed that the database keeps sealed, opened with the home's own token in another process."""
    environment = {**os.environ, "SOFTHSM2_CONF": str(home / "hsm" / "softhsm2.conf")}
    command = [sys.executable, __file__, str(home)]
    ran = subprocess.run(command, env=environment, capture_output=True, check=False, text=True)
    assert ran.returncode == 0, ran.stderr
    seeds = {name: bytes.fromhex(seed) for name, seed in json.loads(ran.stdout).items()}
    pins = {name: (home / "hsm" / name).read_bytes().strip() for name in PIN_FILES}
    return {**seeds, **pins}


def find_secrets(folder: Path, secrets: dict[str, bytes]) -> list[str]:
    """Which file shows which secret. The files that hold the PINs on purpose are not looked into for them."""
    forms = {(name, form) for name, secret in secrets.items() for form in _forms(name, secret)}
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        found += [f"{path.name} shows {name}" for name, form in forms if form in content and path.name not in PIN_FILES]
    return found


def core_files(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("core*") if path.is_file()]


def _forms(name: str, secret: bytes) -> list[bytes]:
    if name in PIN_FILES:
        return [secret]
    # Base64 at each of the three places it can begin in a longer text; without the characters its neighbours share.
    encoded = [base64.b64encode(bytes(shift) + secret)[-(-shift * 8 // 6) :].rstrip(b"=")[:-1] for shift in range(3)]
    return [secret, secret.hex().encode(), secret.hex().upper().encode(), *encoded, repr(secret)[2:-1].encode()]


def _open_all(home: Path) -> dict[str, str]:
    import sqlalchemy as sa

    from hsm.engines.openssl import OpenSslEngine
    from hsm.material import SealedSeed, material_from_bytes
    from hsm.pkcs11.kek import find_keks
    from hsm.pkcs11.library import find_token, open_library
    from hsm.pkcs11.settings import resolve_module
    from hsm.pkcs11.token import TokenSession
    from hsm.secret import Secret
    from hsm.seed_vault import SeedVault
    from kms.keys.materials import materials_after
    from kms.keys.model import key_binding
    from kms.log.keys.keys import kept_keys

    record = json.loads((home / "hsm" / "token.json").read_text())
    pin = Secret((home / "hsm" / "token-pin").read_bytes().strip())
    token = find_token(open_library(resolve_module(None)), label=record["label"], serial=record["serial"])
    logged_in = token.open(rw=True, user_pin=pin.reveal().decode())
    _, kek_id = max(find_keks(logged_in))
    session = TokenSession(token, logged_in, pin, kek_id)
    vault = SeedVault(session, OpenSslEngine())
    with sa.create_engine(f"sqlite:///{home / 'hallmark.db'}").connect() as tx:
        rows = materials_after(tx, None, 100_000)
        kept = [(str(name), material_from_bytes(data), key_binding(name, purpose)) for name, purpose, data in rows]
        kept += [("the key of the log", material, binding) for material, binding in kept_keys(tx)]
    return {
        name: vault.open(material, binding).hex()
        for name, material, binding in kept
        if isinstance(getattr(material, "post_quantum", None), SealedSeed)
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_open_all(Path(sys.argv[1]))))
