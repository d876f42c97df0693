"""Pkcs11KeyProvider: the port of hsm/provider.py over a pool of signer processes."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from hallmark_composite import CompositeAlgorithm, MlDsaParameterSet
from hsm import requests as checks
from hsm.errors import ERRORS_BY_CODE, HsmError, HsmTimeout, InvalidRequest, SetupError, TokenUnavailable
from hsm.material import (
    CKA_ID_SIZE,
    CompositeKeyMaterial,
    Ed25519KeyMaterial,
    KeyMaterial,
    MlDsaKeyMaterial,
    ProtectionLevel,
)
from hsm.provider import CompositeSignRequest, EngineFact, HsmCapabilities, HsmHealth

from .frames import Operation
from .pool import WorkerPool
from .process import child_environment
from .settings import Pkcs11Settings, is_softhsm, resolve_module

CHUNK_SIZE: Final = 16
"""Batches are cut into chunks of at most this many, so that one caller uses every core and a single signature that
comes meanwhile waits for one chunk, not for a batch."""
_SETUP_TIMEOUT_SECONDS: Final = 60.0


class Pkcs11KeyProvider:
    """Keys in a PKCS#11 token, signed with in processes of their own. See the port for the contract."""

    def __init__(self, settings: Pkcs11Settings) -> None:
        self._settings = settings
        self._pool: WorkerPool | None = None
        self._capabilities: HsmCapabilities | None = None
        self._writing = asyncio.Lock()
        self._stopped: HsmError = TokenUnavailable("the key provider has not been started")

    async def start(self) -> None:
        assert self._pool is None, "started twice"
        try:
            await self._start()
        except HsmError as error:
            self._stopped = error
            raise

    async def _start(self) -> None:
        module = resolve_module(self._settings.module)
        environ = child_environment(self._settings.softhsm_configuration if is_softhsm(module) else None)
        prepared = await asyncio.to_thread(_run_setup, self._settings, module, environ)
        pool = WorkerPool(self._settings, _configuration(self._settings, module, prepared), environ)
        try:
            facts = await pool.start()
        except BaseException:
            await pool.close()
            raise
        self._pool = pool
        self._capabilities = _capabilities(facts, module, self._settings.worker_count)

    async def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            self._stopped = TokenUnavailable("the key provider is closed")
            await pool.close()

    async def generate_composite(self, algorithm: CompositeAlgorithm, *, key_binding: bytes) -> CompositeKeyMaterial:
        checks.check_binding(key_binding)
        cka_id = os.urandom(CKA_ID_SIZE)
        encoded = await self._generate(Operation.GENERATE_COMPOSITE, [algorithm.name, cka_id, key_binding], cka_id)
        return CompositeKeyMaterial.from_bytes(encoded)

    async def sign_composite(
        self, material: CompositeKeyMaterial, *, digest: bytes, context: bytes, key_binding: bytes
    ) -> bytes:
        checks.check_composite(material, digest=digest, context=context, key_binding=key_binding)
        with self._running.admitted(1):
            answers = await self._sign([[material.to_bytes(), digest, context, key_binding]])
        if isinstance(answers[0], HsmError):
            raise answers[0]
        return answers[0]

    async def sign_many(self, requests: Sequence[CompositeSignRequest]) -> list[bytes | HsmError]:
        checks.check_batch(requests)
        answers: list[bytes | HsmError] = [InvalidRequest("not examined")] * len(requests)
        positions: list[int] = []
        items: list[list[bytes]] = []
        for position, request in enumerate(requests):
            try:
                checks.check_composite(
                    request.material, digest=request.digest, context=request.context, key_binding=request.key_binding
                )
            except InvalidRequest as error:
                answers[position] = error
                continue
            positions.append(position)
            items.append([request.material.to_bytes(), request.digest, request.context, request.key_binding])
        size = min(CHUNK_SIZE, -(-len(items) // max(len(self._running.ready), 1)) or 1)
        chunks = [items[start : start + size] for start in range(0, len(items), size)]
        with self._running.admitted(len(items)):
            signed = await asyncio.gather(*(self._sign_or_fail_each(chunk) for chunk in chunks))
        for position, answer in zip(positions, (answer for chunk in signed for answer in chunk), strict=True):
            answers[position] = answer
        return answers

    async def generate_ed25519(self) -> Ed25519KeyMaterial:
        cka_id = os.urandom(CKA_ID_SIZE)
        return Ed25519KeyMaterial.from_bytes(await self._generate(Operation.GENERATE_ED25519, [cka_id], cka_id))

    async def sign_ed25519(self, material: Ed25519KeyMaterial, *, message: bytes) -> bytes:
        checks.check_message(message)
        return await self._sign_one(Operation.SIGN_ED25519, [material.to_bytes(), message])

    async def generate_mldsa(self, parameter_set: MlDsaParameterSet, *, key_binding: bytes) -> MlDsaKeyMaterial:
        checks.check_binding(key_binding)
        encoded = await self._generate(Operation.GENERATE_MLDSA, [parameter_set.value, key_binding], None)
        return MlDsaKeyMaterial.from_bytes(encoded)

    async def sign_mldsa(
        self, material: MlDsaKeyMaterial, *, message: bytes, context: bytes, key_binding: bytes
    ) -> bytes:
        checks.check_message(message, context)
        checks.check_binding(key_binding)
        return await self._sign_one(Operation.SIGN_MLDSA, [material.to_bytes(), message, context, key_binding])

    async def destroy(self, material: KeyMaterial) -> None:
        match material:
            case CompositeKeyMaterial() | Ed25519KeyMaterial():
                async with self._writing:
                    await self._running.call(Operation.DESTROY, [material.classical.cka_id], repeatable=True)
            case MlDsaKeyMaterial():
                pass

    async def health(self) -> HsmHealth:
        pool = self._running
        if not pool.ready:
            raise pool.failure()
        started = time.perf_counter()
        results = await pool.call_each(Operation.PROBE, [])
        failures = [result for result in results if isinstance(result, BaseException)]
        if len(failures) == len(results):
            raise failures[0] if failures else TokenUnavailable("no signer process is ready")
        return HsmHealth(
            workers_ready=len(results) - len(failures),
            workers=self._settings.worker_count,
            slowest_probe_ms=(time.perf_counter() - started) * 1000,
        )

    async def capabilities(self) -> HsmCapabilities:
        if self._capabilities is None:
            raise type(self._stopped)(str(self._stopped))
        return self._capabilities

    @property
    def _running(self) -> WorkerPool:
        if self._pool is None:
            raise type(self._stopped)(str(self._stopped))
        return self._pool

    async def _sign_one(self, operation: Operation, arguments: list[Any]) -> bytes:
        with self._running.admitted(1):
            signature: bytes = await self._running.call(operation, arguments, repeatable=True)
        return signature

    async def _sign(self, items: list[list[bytes]]) -> list[bytes | HsmError]:
        answers = await self._running.call(Operation.SIGN, [items], items=len(items), repeatable=True)
        return [answer if isinstance(answer, bytes) else ERRORS_BY_CODE[answer[0]](answer[1]) for answer in answers]

    async def _sign_or_fail_each(self, items: list[list[bytes]]) -> list[bytes | HsmError]:
        try:
            return await self._sign(items)
        except HsmError as error:
            return [error] * len(items)

    async def _generate(self, operation: Operation, arguments: list[Any], cka_id: bytes | None) -> bytes:
        """One at a time: tokens in files do not like two writers. A failed one is cleaned up as far as possible."""
        with self._running.admitted(1):
            async with self._writing:
                return await self._generate_alone(operation, arguments, cka_id)

    async def _generate_alone(self, operation: Operation, arguments: list[Any], cka_id: bytes | None) -> bytes:
        try:
            material: bytes = await self._running.call(operation, arguments)
        except HsmError:
            if cka_id is not None:
                with contextlib.suppress(HsmError):
                    await self._running.call(Operation.DESTROY, [cka_id])
            raise
        return material


def _configuration(settings: Pkcs11Settings, module: Path, prepared: dict[str, str]) -> dict[str, Any]:
    """The START frame: where the PIN is, never the PIN."""
    pin_file = settings.effective_pin_file
    return {
        "module": str(module),
        "token_label": settings.token_label,
        "token_serial": prepared["token_serial"],
        "kek_id": bytes.fromhex(prepared["kek_id"]),
        "pin_file": str(pin_file) if pin_file is not None else None,
        "pin_env": settings.pin_env,
        "engine": settings.engine,
        "raced_engine": None,
        "seed_cache_seconds": settings.seed_cache_seconds,
    }


def _run_setup(settings: Pkcs11Settings, module: Path, environ: dict[str, str]) -> dict[str, str]:
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


def _capabilities(facts: dict[str, Any], module: Path, workers: int) -> HsmCapabilities:
    return HsmCapabilities(
        provider="pkcs11",
        module=str(module),
        module_version=facts["module_version"],
        token_label=facts["token_label"],
        token_serial=facts["token_serial"],
        token_model=facts["token_model"],
        token_manufacturer=facts["token_manufacturer"],
        mechanisms=tuple(facts["mechanisms"]),
        engines=tuple(
            EngineFact(name=name, version=version, signs_per_second=rate, refused_because=reason)
            for name, version, rate, reason in facts["engines"]
        ),
        signing_engine=facts["signing_engine"],
        verifying_engine=facts["verifying_engine"],
        classical_protection=ProtectionLevel.HSM,
        post_quantum_protection=ProtectionLevel.HSM_WRAPPED,
        workers=workers,
    )
