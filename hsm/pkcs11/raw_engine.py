"""Engine and token in a bare loop, in a process like a signer's: what the service is measured against.

`python -m hsm.pkcs11.raw_engine --data-folder F --engine NAME --seconds S` makes a throw-away key in the token of that
folder, prints "ready", waits for a line, measures, and prints one line of JSON, by name of the loop {"per_second",
"cpu_us"}:

ml_dsa   ML-DSA-65 signatures of the engine alone
bare     both halves of a hybrid signature, nothing else
checked  the same, verified before release as every signature is, with the sealed seed open already
sealed   the same, and the seed is opened for every signature

With --list it prints the names of the engines that can sign here, as a JSON array, `cryptography` first.
Started one after the other, measured together: see kms/cli/bench. Not part of the service.
"""

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hallmark_composite import DEFAULT_ALGORITHM, CompositePublicKey, message_representative
from hsm import signing
from hsm.engine_selection import select_engines
from hsm.engines.discovery import discover
from hsm.material import CKA_ID_SIZE
from hsm.sealing import COMPONENT_LABEL

from .custody_session import CustodySession
from .generation import KeyGenerator
from .library import open_library
from .opened_keys import OpenedKeys
from .pin import read_pin
from .process import child_environment
from .run_setup import run_setup
from .settings import Pkcs11Settings, is_softhsm, resolve_module

_BINDING: Final = b"raw-engine"
_SEED_BYTES: Final = 32
_ROUND: Final = 16
"""Signatures between two looks at the clock."""
_FOR_EVER_SECONDS: Final = 1e9


class RawEngine:
    """A token session, the engine that was asked for (and the one that checks it), and a key of its own."""

    def __init__(self, data_folder: Path, engine: str) -> None:
        settings = Pkcs11Settings(data_folder=data_folder)
        module = resolve_module(None)
        environ = child_environment(settings.softhsm_configuration if is_softhsm(module) else None)
        os.environ.update(environ)
        prepared = run_setup(settings, module, environ)
        self._token = CustodySession.open(
            open_library(module),
            label=settings.token_label,
            serial=prepared["token_serial"],
            pin=read_pin(settings.effective_pin_file, None, os.environ),
            kek_id=bytes.fromhex(prepared["kek_id"]),
        )
        engines, unavailable = discover(os.environ)
        self._engines = select_engines(engines, clock=time.perf_counter, preferred=engine, unavailable=unavailable)
        self._material = KeyGenerator(self._token, self._engines.signer, frozenset()).composite(
            DEFAULT_ALGORITHM,
            classical_id=os.urandom(CKA_ID_SIZE),
            post_quantum_id=os.urandom(CKA_ID_SIZE),
            key_binding=_BINDING,
        )
        self._digest = hashlib.sha512(b"bench").digest()
        self._representative = message_representative(DEFAULT_ALGORITHM, self._digest)

    def loops(self) -> dict[str, Callable[[], object]]:
        """What to call again and again, by name."""
        key = self._engines.signer.load(DEFAULT_ALGORITHM.ml_dsa, os.urandom(_SEED_BYTES))
        kept = OpenedKeys(self._token, clock=time.monotonic, cache_seconds=_FOR_EVER_SECONDS)
        dropped = OpenedKeys(self._token, clock=time.monotonic, cache_seconds=0.0)
        public_key = CompositePublicKey.from_bytes(DEFAULT_ALGORITHM, self._material.public_key)

        def ml_dsa() -> bytes:
            return key.sign(self._representative, DEFAULT_ALGORITHM.label)

        def bare() -> bytes:
            ml_dsa()
            return self._ecdsa(hashlib.new(DEFAULT_ALGORITHM.ecdsa_hash, self._representative).digest())

        def checked(opened: OpenedKeys = kept) -> bytes:
            return signing.sign_composite(
                public_key,
                ml_dsa_key=opened.open(self._material, _BINDING, self._engines.signer),
                sign_digest=self._ecdsa,
                verifier=self._engines.verifier,
                digest=self._digest,
                context=b"",
            )

        def sealed() -> bytes:
            signature = checked(dropped)
            dropped.forget()
            return signature

        return {"ml_dsa": ml_dsa, "bare": bare, "checked": checked, "sealed": sealed}

    def _ecdsa(self, hashed: bytes) -> bytes:
        return self._token.sign_digest(self._material.classical.cka_id, hashed, label=COMPONENT_LABEL)


def measure(sign: Callable[[], object], seconds: float) -> dict[str, float]:
    began, cpu, done = time.perf_counter(), time.process_time(), 0
    while (elapsed := time.perf_counter() - began) < seconds:
        for _ in range(_ROUND):
            sign()
        done += _ROUND
    return {"per_second": done / elapsed, "cpu_us": (time.process_time() - cpu) / done * 1e6}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m hsm.pkcs11.raw_engine")
    parser.add_argument("--list", action="store_true", help="print the engines and end")
    parser.add_argument("--data-folder", type=Path)
    parser.add_argument("--engine")
    parser.add_argument("--seconds", type=float, default=1.0, help="for all loops together")
    given = parser.parse_args()
    if given.list:
        engines, _ = discover(os.environ)
        print(json.dumps([engine.name for engine in engines if engine.can_sign]))  # noqa: T201
        return
    loops = RawEngine(given.data_folder, given.engine).loops()
    for warm_up in loops.values():
        warm_up()
    print("ready", flush=True)  # noqa: T201 - what the process is for
    sys.stdin.readline()
    found = {name: measure(sign, given.seconds / len(loops)) for name, sign in loops.items()}
    print(json.dumps(found), flush=True)  # noqa: T201 - what the process is for


if __name__ == "__main__":
    main()
