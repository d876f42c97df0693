"""A provider on a SoftHSM token of its own, and ways to break it."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from hsm.errors import HsmError, ModuleNotFound
from hsm.pkcs11.provider import Pkcs11KeyProvider
from hsm.pkcs11.settings import Pkcs11Settings, resolve_module


def settings(data_folder: Path, **changes: Any) -> Pkcs11Settings:
    """Skips the test where SoftHSM is not installed."""
    try:
        resolve_module(None)
    except ModuleNotFound as error:
        pytest.skip(str(error))
    return Pkcs11Settings(**({"data_folder": data_folder, "workers": 2} | changes))


def pool_of(provider: Pkcs11KeyProvider) -> Any:
    assert provider._pool is not None
    return provider._pool


def process_ids(provider: Pkcs11KeyProvider) -> list[int]:
    return [process.pid for process in pool_of(provider).ready]


def signal_all(provider: Pkcs11KeyProvider, number: int) -> None:
    for process_id in process_ids(provider):
        os.kill(process_id, number)


async def until(condition: Callable[[], bool], *, seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the condition is about other processes
            await asyncio.sleep(0.01)


async def until_it_works(act: Callable[[], Awaitable[Any]], *, seconds: float = 15.0) -> Any:
    """Repeats what fails with a retryable error, as a caller would."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                return await act()
            except HsmError as error:
                if not error.retryable:
                    raise
                await asyncio.sleep(0.05)


def in_token_process(data_folder: Path, code: str) -> str:
    """Runs code in a fresh interpreter that may load SoftHSM with this folder's token; gives what it prints."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={**os.environ, "SOFTHSM2_CONF": str(data_folder / "softhsm2.conf"), "DATA_FOLDER": str(data_folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
