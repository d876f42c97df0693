"""ML-DSA of liboqs through liboqs-python: the fastest signer, where `make liboqs` has built the library.

`import oqs` without the library clones and builds it, then exits the process. So the library is found and loaded here
first, and only then is `oqs` imported, with its installer disabled.

liboqs has no key generation from a seed, but its key generation (FIPS 204, algorithm 1) draws exactly the 32-byte seed
from a source of randomness that a program may give it. Ours answers with the seed while a key is expanded, and with
the system's randomness otherwise; the caller compares the public key that comes out, like any engine's.
"""

import ctypes
import ctypes.util
import importlib
import logging
import os
import sys
import threading
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from hallmark_composite import MlDsaParameterSet
from hallmark_composite.algorithms import ML_DSA_SEED_SIZE
from hsm.engine import BadMlDsaSignature, EngineFault, EngineUnavailable, LoadedMlDsaKey

MINIMUM_VERSION: Final = (0, 12)
"""The first release with ML-DSA contexts (OQS_SIG_sign_with_ctx_str)."""
_FILE_NAME: Final = "liboqs.dylib" if sys.platform == "darwin" else "liboqs.so"


def built_here() -> Path:
    """Where `make liboqs` puts it: beside the interpreter's own libraries."""
    return Path(sys.prefix) / "liboqs"


def find_library(environ: Mapping[str, str]) -> Path | None:
    """The prefix to give to liboqs-python, or None for a library the system finds. Raises EngineUnavailable."""
    prefixes = [Path(environ["OQS_INSTALL_PATH"])] if "OQS_INSTALL_PATH" in environ else []
    for prefix in (*prefixes, built_here()):
        for folder in ("lib", "lib64"):
            if _loads(prefix / folder / _FILE_NAME):
                return prefix
    found = ctypes.util.find_library("oqs")
    if found is not None and _loads(Path(found)):
        return None
    raise EngineUnavailable("no liboqs library: run `make liboqs`, or install liboqs and set OQS_INSTALL_PATH")


def _loads(path: Path) -> bool:
    try:
        ctypes.CDLL(str(path))
    except OSError:
        return False
    return True


def import_oqs(environ: Mapping[str, str]) -> ModuleType:
    """The `oqs` module, never installing anything. Raises EngineUnavailable."""
    prefix = find_library(environ)
    # The installer refuses a version it cannot parse before it touches the network: a second lock behind find_library.
    wanted = {"PYOQS_VERSION": "installation-is-disabled"} | (
        {} if prefix is None else {"OQS_INSTALL_PATH": str(prefix)}
    )
    previous = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    logging.disable(logging.CRITICAL)  # the import adds a handler that writes to standard output
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # library and wrapper of different minor versions: the self-test decides
            module = importlib.import_module("oqs")
    except (SystemExit, Exception) as error:
        raise EngineUnavailable(f"liboqs-python cannot use the library it found ({type(error).__name__})") from None
    finally:
        logging.disable(logging.NOTSET)
        for name, value in previous.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    logging.getLogger("oqs.oqs").handlers.clear()
    return module


class _Randomness:
    """What liboqs draws from, for the life of the process. Each thread has a seed of its own to be served once."""

    def __init__(self, oqs: ModuleType) -> None:
        self._thread = threading.local()
        # liboqs keeps the pointer: the callback must live as long as the library, that is, as this module.
        self._callback = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_size_t)(self._fill)
        oqs.native().OQS_randombytes_custom_algorithm(self._callback)

    def generate_keypair(self, signer: Any, seed: bytes) -> bytes:
        """The public key of the seed; the private key stays in `signer`. Raises EngineFault."""
        self._thread.seed, self._thread.draws = seed, []
        try:
            public_key: bytes = signer.generate_keypair()
            if self._thread.draws != [ML_DSA_SEED_SIZE]:
                raise EngineFault("this liboqs does not make a key from one draw of 32 random bytes")
        except RuntimeError:
            raise EngineFault("liboqs could not make a key from a seed") from None
        finally:
            self._thread.seed = None
        return public_key

    def _fill(self, address: int, size: int) -> None:
        seed = getattr(self._thread, "seed", None)
        ctypes.memmove(address, seed if seed is not None and size == len(seed) else os.urandom(size), size)
        if seed is not None:
            self._thread.draws.append(size)


_RANDOMNESS: list[_Randomness] = []
"""The one of this process, once there is a library."""


class _LibOqsKey:
    def __init__(self, signer: Any, public_key: bytes) -> None:
        self._signer = signer
        self.public_key = public_key

    def sign(self, message: bytes, context: bytes) -> bytes:
        try:
            signature: bytes = self._signer.sign_with_ctx_str(message, context)
        except RuntimeError:
            raise EngineFault("liboqs could not sign") from None
        return signature

    def sign_mu(self, mu: bytes) -> bytes:  # noqa: ARG002 - signature of the port
        raise EngineFault("liboqs has no external mu")

    def __del__(self) -> None:
        self._signer.free()  # wipes the expanded key


class LibOqsEngine:
    name = "liboqs"
    can_sign = True
    supports_mu = False
    # Its AVX2 verifier, taken from pq-crystals, left out the bound on z (FIPS 204, algorithm 8, line 13) until mid 2026
    # and accepts some invalid signatures (github.com/pq-crystals/dilithium issue 113). Its signer is not affected.
    may_check_releases = False

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Raises EngineUnavailable."""
        self._oqs = import_oqs(environ)
        library: str = self._oqs.oqs_version()
        self.version = f"{library} (liboqs-python {self._oqs.oqs_python_version()})"
        if tuple(int(part) for part in library.split(".")[:2]) < MINIMUM_VERSION:
            raise EngineUnavailable(f"liboqs {library} has no ML-DSA contexts; 0.12 or later is needed")
        enabled = self._oqs.get_enabled_sig_mechanisms()
        missing = [parameter_set.value for parameter_set in MlDsaParameterSet if parameter_set.value not in enabled]
        if missing:
            raise EngineUnavailable(f"this liboqs was built without {', '.join(missing)}")
        self._verifiers = {item: self._oqs.Signature(item.value) for item in MlDsaParameterSet}
        if not _RANDOMNESS:
            _RANDOMNESS.append(_Randomness(self._oqs))

    def load(self, parameter_set: MlDsaParameterSet, seed: bytes) -> LoadedMlDsaKey:
        if len(seed) != ML_DSA_SEED_SIZE:
            raise EngineFault(f"{self.name} refused a seed for {parameter_set.value}")
        signer = self._oqs.Signature(parameter_set.value)
        return _LibOqsKey(signer, _RANDOMNESS[0].generate_keypair(signer, seed))

    def verify(
        self,
        parameter_set: MlDsaParameterSet,
        *,
        public_key: bytes,
        signature: bytes,
        message: bytes,
        context: bytes,
    ) -> None:
        # liboqs-python pads or cuts a public key of the wrong size, and passes any context length on: check here.
        valid = (
            len(public_key) == parameter_set.public_key_size
            and len(signature) == parameter_set.signature_size
            and len(context) <= 255
            and self._verifiers[parameter_set].verify_with_ctx_str(message, signature, context, public_key)
        )
        if not valid:
            raise BadMlDsaSignature(f"{self.name} finds the {parameter_set.value} signature invalid")

    def verify_mu(self, parameter_set: MlDsaParameterSet, *, public_key: bytes, signature: bytes, mu: bytes) -> None:  # noqa: ARG002
        raise BadMlDsaSignature("liboqs has no external mu")
