"""NSS softoken, a PKCS#11 token with ML-DSA, as tests/tokens/fetch_nss.sh leaves it; skips where it is not there.

What it cannot do through python-pkcs11 0.10 (seen with NSS 3.132): AES-GCM (its answer to the length query is too
short) and EdDSA (ArgumentsBad). Its keys also are less protected than they say: C_WrapKey takes keys marked as not
extractable. So it proves that native keys work, not that they are safe in it.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hsm.pkcs11.settings import Pkcs11Settings

LABEL, PIN = "hallmark-nss", "native-token-pin"
_SET_PIN = """
import sys, pkcs11
token = next(token for token in pkcs11.lib(sys.argv[1]).get_tokens() if token.label == sys.argv[2])
session = token.open(rw=True, so_pin="")
session.init_pin(sys.argv[3])
session.close()
"""


def folder_of_tokens() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("HALLMARK_TOKENS") or cache / "hallmark-tokens")


def library_folder() -> Path:
    """Skips the test where NSS softoken was not fetched."""
    ready = folder_of_tokens() / "nss" / "root" / "ready"
    if not ready.exists():
        pytest.skip("NSS softoken is not fetched: run `make tokens` (tests/tokens/fetch_nss.sh)")
    return Path(ready.read_text().strip())


def settings(data_folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Pkcs11Settings:
    """Settings of a provider on a new, empty token in `data_folder`; the environment must stay set while it starts."""
    libraries = library_folder()
    database = data_folder / "nss"
    database.mkdir(parents=True)
    # The library reads its configuration here, and must find its own libnssutil3 before the system's older one.
    monkeypatch.setenv("NSS_LIB_PARAMS", f"configDir='sql:{database}' dbTokenDescription='{LABEL}'")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(libraries), prepend=os.pathsep)
    module = libraries / "libsoftokn3.so"
    subprocess.run([sys.executable, "-P", "-c", _SET_PIN, module, LABEL, PIN], check=True, timeout=60)
    pin_file = data_folder / "pin"
    pin_file.write_text(PIN)
    pin_file.chmod(0o600)
    given = {"data_folder": data_folder, "module": module, "token_label": LABEL, "pin_file": pin_file, "workers": 2}
    return Pkcs11Settings(**(given | changes))
