"""Initialises opencryptoki's soft token: its label, then both PINs, which it wants changed before anything else."""

import os
import sys
import time
from pathlib import Path

import pkcs11

from hsm.pkcs11.init_token import init_token
from hsm.secret import Secret

sys.path.insert(0, str(Path(__file__).parent.parent))
from tokens.opencryptoki import LABEL, PIN

FIRST_SO_PIN, SO_PIN, FIRST_PIN = "87654321", "so-pin-1", "12345678"
"""The first is opencryptoki's own default (pkcsconf(1))."""


def wait_for_the_daemon(module: Path) -> pkcs11.lib:
    for _ in range(50):
        try:
            return pkcs11.lib(str(module))
        except pkcs11.PKCS11Error:
            time.sleep(0.1)
    return pkcs11.lib(str(module))


def main() -> None:
    module = Path(os.environ["HALLMARK_OPENCRYPTOKI"])
    library = wait_for_the_daemon(module)
    init_token(library, module, label=LABEL, so_pin=Secret(FIRST_SO_PIN.encode()))
    token = next(token for token in library.get_tokens() if token.label == LABEL)
    with token.open(rw=True, so_pin=FIRST_SO_PIN) as session:
        session.set_pin(FIRST_SO_PIN, SO_PIN)
    with token.open(rw=True, so_pin=SO_PIN) as session:
        session.init_pin(FIRST_PIN)
    with token.open(rw=True, user_pin=FIRST_PIN) as session:
        session.set_pin(FIRST_PIN, PIN)


main()
