"""Runs the set-up process (setup.py) and reads what it reports."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

from hsm.errors import ERRORS_BY_CODE, HsmTimeout, SetupError

from .settings import Pkcs11Settings

_SETUP_TIMEOUT_SECONDS: Final = 60.0


def run_setup(settings: Pkcs11Settings, module: Path, environ: dict[str, str]) -> dict[str, str]:
    """Blocking. Raises HsmError with what the set-up process reported."""
    command = [sys.executable, "-P", "-m", "hsm.pkcs11.setup"]
    options = {
        "--data-folder": settings.data_folder,
        "--module": module,
        "--pin-file": settings.pin_file,
        "--pin-env": settings.pin_env,
        "--token-label": settings.token_label,
        "--token-serial": settings.token_serial,
    }
    command += [f"{option}={value}" for option, value in options.items() if value is not None]
    try:
        done = subprocess.run(
            command,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=_SETUP_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise HsmTimeout(f"preparing the token took over {_SETUP_TIMEOUT_SECONDS:g} s; does it answer?") from None
    try:
        answer: dict[str, str] = json.loads(done.stdout)
    except ValueError:
        raise SetupError(
            f"preparing the token failed (exit status {done.returncode}); see the messages above"
        ) from None
    if "code" in answer:
        raise ERRORS_BY_CODE.get(answer["code"], SetupError)(answer["message"])
    return answer
