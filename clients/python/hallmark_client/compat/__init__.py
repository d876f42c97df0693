"""Names of other people's SDKs over this one. docs/compat-pqc-enclave-sdk.md says what differs, and why."""

import importlib
import pkgutil
import sys
from types import ModuleType
from typing import Final

PQC_ENCLAVE_SDK: Final = "pqc_enclave_sdk"


def install() -> ModuleType:
    """From here on `import pqc_enclave_sdk`, and any module of it, is ours in this process.

    Raises ImportError where another one was imported before: a program has one of them.
    """
    package = importlib.import_module(f"{__name__}.{PQC_ENCLAVE_SDK}")
    found = sys.modules.get(PQC_ENCLAVE_SDK, package)
    if found is not package:
        raise ImportError(f"{PQC_ENCLAVE_SDK} of {found.__file__} is imported already: install() comes first")
    for each in pkgutil.walk_packages(package.__path__, prefix="."):
        sys.modules[PQC_ENCLAVE_SDK + each.name] = importlib.import_module(package.__name__ + each.name)
    sys.modules[PQC_ENCLAVE_SDK] = package
    return package
