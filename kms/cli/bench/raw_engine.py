"""The engine in a bare loop, in a process like a signer's: `python -m kms.cli.bench.raw_engine --data-folder F ...`.

Prints "ready", waits for a line, then measures, and prints one line of JSON: {"bare_per_second", "checked_per_second"}.
The token and its keys are throw-away; nothing here is part of the service. Drivers are loaded by name, because the
service itself must never import them (import contract "The PKCS#11 driver has one door").
"""

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Final

from hallmark_composite import message_representative
from hsm.material import CompositeKeyMaterial
from hsm.pkcs11.process import child_environment
from hsm.pkcs11.settings import Pkcs11Settings, is_softhsm, resolve_module
from kms.cli.bench.batched import BINDING

_SEED_BYTES: Final = 32
_ROUND: Final = 16
"""Signatures between two looks at the clock."""


class RawEngine:
    """A token session, the engine that the service would use, and a key that is in the token already.

    Nothing is written to the token: several processes do this at the same time.
    """

    def __init__(self, given: argparse.Namespace) -> None:
        settings = Pkcs11Settings(data_folder=given.data_folder)
        module = resolve_module(None)
        os.environ.update(child_environment(settings.softhsm_configuration if is_softhsm(module) else None))
        worker = import_module("hsm.pkcs11.worker")
        self._token = worker.TokenSession.open(
            worker.open_library(str(module)),
            label=settings.token_label,
            serial=given.token_serial,
            pin=worker.read_pin(settings.effective_pin_file, None, os.environ),
            kek_id=bytes.fromhex(given.kek_id),
        )
        engines, unavailable = worker.discover(os.environ)
        self._engines = worker.select_engines(
            engines, clock=time.perf_counter, raced=given.engine, unavailable=unavailable
        )
        self._signer = worker.Signer(self._token, self._engines, clock=time.monotonic, cache_seconds=0.0)
        self._sealed = bytes.fromhex(given.material)
        self._material = CompositeKeyMaterial.from_bytes(self._sealed)

    def bare(self) -> Callable[[], None]:
        """One composite signature: ML-DSA by the engine, ECDSA in the token. The key is open, nothing is checked."""
        algorithm, cka_id = self._material.algorithm, self._material.classical.cka_id
        key = self._engines.signer.load(algorithm.ml_dsa, os.urandom(_SEED_BYTES))
        representative = message_representative(algorithm, hashlib.sha512(b"bench").digest())

        def sign() -> None:
            key.sign(representative, algorithm.label)
            self._token.sign_digest(cka_id, hashlib.new(algorithm.ecdsa_hash, representative).digest())

        return sign

    def checked(self) -> Callable[[], None]:
        """One as a signer process makes it: opens the sealed seed, signs, verifies, forgets the seed."""
        digest = hashlib.sha512(b"bench").digest()

        def sign() -> None:
            (answer,) = self._signer.sign([[self._sealed, digest, b"", BINDING]])
            assert isinstance(answer, bytes), answer
            self._signer.forget()

        return sign


def rate(sign: Callable[[], None], seconds: float) -> float:
    """Calls a second."""
    began, done = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - began) < seconds:
        for _ in range(_ROUND):
            sign()
        done += _ROUND
    return done / elapsed


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m kms.cli.bench.raw_engine")
    parser.add_argument("--data-folder", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    for name in ("--engine", "--material", "--token-serial", "--kek-id"):
        parser.add_argument(name, required=True)
    given = parser.parse_args()
    engine = RawEngine(given)
    bare, checked = engine.bare(), engine.checked()
    for warm_up in (bare, checked):
        warm_up()
    print("ready", flush=True)
    sys.stdin.readline()
    found = {"bare_per_second": rate(bare, given.seconds), "checked_per_second": rate(checked, given.seconds)}
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
