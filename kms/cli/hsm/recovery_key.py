"""The recovery key of backups as two files: the private one is kept offline, the public one is what backups need.

Both are JSON: {"hallmark": "recovery-key", "v": 1, "kem": HPKE name, "public_key": base64}; the private one has "seed"
(base64, 32 bytes) too.
"""

import base64
import json
import os
from pathlib import Path
from typing import Any, Final

from hallmark_envelope import SEED_SIZE, EnvelopeError, EnvelopePrivateKey, HpkeKem
from kms.cli.failure import CommandError, not_usable
from kms.cli.output import read_file, write_file

_KIND: Final = "recovery-key"
_FILE_MAX: Final = 16 * 1024


def create_recovery_key(file: Path) -> Path:
    """Writes `file` (private, mode 0600) and `file`.pub, which it gives. Raises FileExistsError, OSError."""
    seed = os.urandom(SEED_SIZE)
    kem = HpkeKem.MLKEM768_X25519
    public = _document(kem, EnvelopePrivateKey.from_seed(kem, seed).public_key)
    private = {**public, "seed": base64.b64encode(seed).decode()}
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(json.dumps(private, indent=2) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    public_file = file.with_name(f"{file.name}.pub")
    write_file(public_file, (json.dumps(public, indent=2) + "\n").encode())
    return public_file


def read_recipient(file: Path) -> tuple[HpkeKem, bytes]:
    """From either file. Raises OSError, CommandError."""
    document = _read(file)
    return _kem_of(document, file), _bytes_of(document, "public_key", file)


def read_private_key(file: Path) -> EnvelopePrivateKey:
    """Raises OSError, CommandError."""
    document = _read(file)
    if "seed" not in document:
        raise not_usable("RECOVERY_KEY_PUBLIC", f"{file} is the public half", "Bring the private one to this machine")
    try:
        key = EnvelopePrivateKey.from_seed(_kem_of(document, file), _bytes_of(document, "seed", file))
    except EnvelopeError:
        raise _not_a_key(file) from None
    if key.public_key != _bytes_of(document, "public_key", file):
        raise not_usable("RECOVERY_KEY_INVALID", f"the two halves in {file} do not belong together")
    return key


def _document(kem: HpkeKem, public_key: bytes) -> dict[str, Any]:
    encoded = base64.b64encode(public_key).decode()
    return {"hallmark": _KIND, "v": 1, "kem": kem.standard_name, "public_key": encoded}


def _read(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(read_file(file, _FILE_MAX))
    except ValueError:
        raise _not_a_key(file) from None
    if not isinstance(document, dict) or (document.get("hallmark"), document.get("v")) != (_KIND, 1):
        raise _not_a_key(file)
    return document


def _kem_of(document: dict[str, Any], file: Path) -> HpkeKem:
    kem = next((kem for kem in HpkeKem if kem.standard_name == document.get("kem")), None)
    if kem is None:
        raise _not_a_key(file)
    return kem


def _bytes_of(document: dict[str, Any], name: str, file: Path) -> bytes:
    try:
        return base64.b64decode(document[name], validate=True)
    except (KeyError, TypeError, ValueError):
        raise _not_a_key(file) from None


def _not_a_key(file: Path) -> CommandError:
    return not_usable(
        "RECOVERY_KEY_INVALID", f"{file} is no recovery key", "`hallmark hsm recovery-key FILE` makes one"
    )
