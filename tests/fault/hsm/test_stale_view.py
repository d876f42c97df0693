"""A signer process that does not see what another one made: it says that it is no use, not that the key is gone."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import softhsm
from hallmark_composite import EcCurve
from hsm.pkcs11.provider import Pkcs11KeyProvider

_LOOK = """
import json, os, sys
from pathlib import Path
from hsm.errors import KeyNotFound
from hsm.pkcs11.custody_session import CustodySession
from hsm.pkcs11.faults import TokenLost
from hsm.pkcs11.library import open_library
from hsm.pkcs11.settings import resolve_module
from hsm.pkcs11.token import VIEW_SECONDS
from hsm.sealing import ECDSA_LABEL
from hsm.secret import Secret

folder, now = Path(os.environ["DATA_FOLDER"]), 0.0
record = json.loads((folder / "token.json").read_text())
CustodySession.clock = staticmethod(lambda: now)
session = CustodySession.open(
    open_library(resolve_module(None)),
    label=record["label"],
    serial=record["serial"],
    pin=Secret((folder / "token-pin").read_bytes().strip()),
    kek_id=bytes(16),
)


def look(cka_id):
    try:
        session.sign_digest(cka_id, bytes(32), label=ECDSA_LABEL)
        return "signs"
    except (KeyNotFound, TokenLost) as error:
        return type(error).__name__


def tell(*facts):
    print(*facts, flush=True)


tell("ready")
for line in sys.stdin:
    found, missing = bytes.fromhex(line), bytes(16)
    young = look(found), look(missing)
    now = VIEW_SECONDS + 1
    tell(*young, look(found), look(missing))
    break
"""


@contextlib.asynccontextmanager
async def _looking(folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process with a session of its own, ready to look for a key."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-P", "-c", _LOOK),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "SOFTHSM2_CONF": str(folder / "softhsm2.conf"), "DATA_FOLDER": str(folder)},
    )
    assert process.stdout is not None
    try:
        assert await process.stdout.readline() == b"ready\n"
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _look(process: asyncio.subprocess.Process, cka_id: bytes) -> list[str]:
    """What it says of the key and of one that never was: while it is young, and when it is old."""
    out, _ = await process.communicate(cka_id.hex().encode() + b"\n")
    return out.decode().split()


async def test_a_key_that_is_not_seen_is_looked_for_by_a_fresh_process(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    provider = Pkcs11KeyProvider(softhsm.settings(folder, workers=1))
    await provider.start()
    async with _looking(folder) as old:
        (counter,) = (folder / "tokens").glob("*/generation")
        before = counter.read_bytes()
        made = (await provider.generate_ecdsa(EcCurve.P256)).classical.cka_id
        counter.write_bytes(before)  # the word of the new key does not get around
        assert await _look(old, made) == ["KeyNotFound", "KeyNotFound", "TokenLost", "TokenLost"]
    await provider.close()
    async with _looking(folder) as fresh:
        assert await _look(fresh, made) == ["signs", "KeyNotFound", "signs", "TokenLost"]


async def test_who_makes_a_key_still_sees_the_one_that_another_made_before(tmp_path: Path) -> None:
    """Neither looked in between: a change of one's own must not make SoftHSM believe that it has seen everything."""
    ours, theirs = (Pkcs11KeyProvider(softhsm.settings(tmp_path / "data", workers=1)) for _ in range(2))
    await ours.start()
    try:
        await theirs.start()
        for _ in range(3):
            key = await ours.generate_ecdsa(EcCurve.P256)
            await theirs.generate_ecdsa(EcCurve.P256)
            assert await theirs.sign_ecdsa(key, digest=bytes(32))
        assert [slot.starts for slot in await theirs.slots()] == [1], "it saw each key without beginning anew"
    finally:
        await theirs.close()
        await ours.close()
