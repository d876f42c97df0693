"""ML-DSA of liboqs through liboqs-python, where an operator has installed the library.

`import oqs` without the library clones and builds it, then exits the process. So the library is found and loaded here
first, and only then is `oqs` imported, with its installer disabled.

liboqs has no key generation from a seed and signs with the FIPS 204 expanded key, which PyCryptodome derives; the
public key derived with it is compared by the caller like any engine's. Without PyCryptodome this engine only verifies.
"""

import ctypes
import ctypes.util
import importlib
import logging
import os
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from hallmark_composite import MlDsaParameterSet
from hsm.engine import BadMlDsaSignature, EngineFault, EngineUnavailable, LoadedMlDsaKey

MINIMUM_VERSION: Final = (0, 12)
"""The first release with ML-DSA contexts (OQS_SIG_sign_with_ctx_str)."""

ExpandSeed = Callable[[MlDsaParameterSet, bytes], tuple[bytes, bytes]]


def find_library(environ: Mapping[str, str]) -> Path:
    """The shared library liboqs-python itself would load. Raises EngineUnavailable."""
    candidates: list[Path] = []
    if "OQS_INSTALL_PATH" in environ:
        suffix = ".dylib" if sys.platform == "darwin" else ".so"
        root = Path(environ["OQS_INSTALL_PATH"])
        candidates += [root / folder / f"liboqs{suffix}" for folder in ("lib", "lib64")]
    found = ctypes.util.find_library("oqs")
    if found is not None:
        candidates.insert(0, Path(found))
    for path in candidates:
        try:
            ctypes.CDLL(str(path))
        except OSError:
            continue
        return path
    raise EngineUnavailable("no liboqs library: install liboqs, or set OQS_INSTALL_PATH to its prefix")


def import_oqs(environ: Mapping[str, str]) -> ModuleType:
    """The `oqs` module, never installing anything. Raises EngineUnavailable."""
    find_library(environ)
    previous = os.environ.get("PYOQS_VERSION")
    # The installer refuses a version it cannot parse before it touches the network: a second lock behind find_library.
    os.environ["PYOQS_VERSION"] = "installation-is-disabled"
    logging.disable(logging.CRITICAL)  # the import adds a handler that writes to standard output
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # library and wrapper of different minor versions: the self-test decides
            module = importlib.import_module("oqs")
    except (SystemExit, Exception) as error:
        raise EngineUnavailable(f"liboqs-python cannot use the library it found ({type(error).__name__})") from None
    finally:
        logging.disable(logging.NOTSET)
        if previous is None:
            del os.environ["PYOQS_VERSION"]
        else:
            os.environ["PYOQS_VERSION"] = previous
    logging.getLogger("oqs.oqs").handlers.clear()
    return module


class _LibOqsKey:
    def __init__(self, oqs: ModuleType, parameter_set: MlDsaParameterSet, public_key: bytes, expanded: bytes) -> None:
        self.public_key = public_key
        self._signer: Any = oqs.Signature(parameter_set.value, expanded)

    def sign(self, message: bytes, context: bytes) -> bytes:
        try:
            signature: bytes = self._signer.sign_with_ctx_str(message, context)
        except RuntimeError:
            raise EngineFault("liboqs could not sign") from None
        return signature

    def __del__(self) -> None:
        signer = getattr(self, "_signer", None)
        if signer is not None:
            signer.free()  # wipes the expanded key


class LibOqsEngine:
    name = "liboqs"
    # Its AVX2 verifier, taken from pq-crystals, left out the bound on z (FIPS 204, algorithm 8, line 13) until mid 2026
    # and accepts some invalid signatures (github.com/pq-crystals/dilithium issue 113). Its signer is not affected.
    may_check_releases = False

    def __init__(self, environ: Mapping[str, str], expand_seed: ExpandSeed | None) -> None:
        """Raises EngineUnavailable. `expand_seed` turns a seed into (public key, expanded key); None: verify only."""
        self._oqs = import_oqs(environ)
        self._expand_seed = expand_seed
        self.can_sign = expand_seed is not None
        library: str = self._oqs.oqs_version()
        self.version = f"{library} (liboqs-python {self._oqs.oqs_python_version()})"
        if tuple(int(part) for part in library.split(".")[:2]) < MINIMUM_VERSION:
            raise EngineUnavailable(f"liboqs {library} has no ML-DSA contexts; 0.12 or later is needed")
        enabled = self._oqs.get_enabled_sig_mechanisms()
        missing = [parameter_set.value for parameter_set in MlDsaParameterSet if parameter_set.value not in enabled]
        if missing:
            raise EngineUnavailable(f"this liboqs was built without {', '.join(missing)}")
        self._verifiers = {item: self._oqs.Signature(item.value) for item in MlDsaParameterSet}

    def load(self, parameter_set: MlDsaParameterSet, seed: bytes) -> LoadedMlDsaKey:
        if self._expand_seed is None:
            raise EngineFault("liboqs cannot sign here: PyCryptodome, which expands seeds for it, is not installed")
        public_key, expanded = self._expand_seed(parameter_set, seed)
        return _LibOqsKey(self._oqs, parameter_set, public_key, expanded)

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
