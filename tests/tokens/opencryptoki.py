"""opencryptoki's soft token, a PKCS#11 token with ML-DSA. Its tests run inside tests/tokens/run_in_opencryptoki.sh."""

import os
from pathlib import Path
from typing import Any

import pytest

from hsm.pkcs11.settings import Pkcs11Settings

LABEL, PIN = "hallmark-ock", "user-pin"  # 4 to 8 characters


def settings(data_folder: Path, **changes: Any) -> Pkcs11Settings:
    """Settings of a provider on the token that the script made; skips elsewhere."""
    module = os.environ.get("HALLMARK_OPENCRYPTOKI")
    if module is None:
        pytest.skip("not inside opencryptoki: run `sh tests/tokens/run_in_opencryptoki.sh` as root (`make tokens`)")
    data_folder.mkdir(parents=True, exist_ok=True)
    pin_file = data_folder / "pin"
    pin_file.write_text(PIN)
    pin_file.chmod(0o600)
    given = {
        "data_folder": data_folder,
        "module": Path(module),
        "token_label": LABEL,
        "pin_file": pin_file,
        "workers": 2,
    }
    return Pkcs11Settings(**(given | changes))
