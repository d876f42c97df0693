"""Pkcs11KeyProvider: the port of hsm/provider.py over a pool of signer processes."""

import asyncio
import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hallmark_composite import CompositeAlgorithm, EcCurve, MlDsaParameterSet
from hsm import requests as checks
from hsm.errors import ERRORS_BY_CODE, HsmError, InvalidRequest, TokenUnavailable
from hsm.material import (
    CKA_ID_SIZE,
    CompositeKeyMaterial,
    EcdsaKeyMaterial,
    Ed25519KeyMaterial,
    KeyMaterial,
    MlDsaKeyMaterial,
    ProtectionLevel,
    token_keys,
)
from hsm.provider import (
    CompositeSignRequest,
    EcdsaSignRequest,
    Ed25519SignRequest,
    EngineFact,
    HsmCapabilities,
    HsmHealth,
    MlDsaMuSignRequest,
    MlDsaSignRequest,
    SignRequest,
)
from hsm.slot_health import SlotHealth

from .custody_provider import CustodyProvider
from .frames import Operation
from .items import SignItem, to_item
from .pool import WorkerPool
from .process import child_environment
from .run_setup import run_setup
from .schedule import Schedule
from .settings import Pkcs11Settings, is_softhsm, resolve_module
from .use import share_use


class Pkcs11KeyProvider(CustodyProvider):
    """Keys in a PKCS#11 token, signed with in processes of their own. See the port for the contract."""

    def __init__(self, settings: Pkcs11Settings) -> None:
        self._settings = settings
        self._pool: WorkerPool | None = None
        self._schedule = Schedule(
            self._sign_or_fail_each, lambda: len(self._pool.ready) if self._pool is not None else 1
        )
        self._use = -1
        self._capabilities: HsmCapabilities | None = None
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
        use = share_use(self._settings.data_folder)
        try:
            await self._start_with(module)
        except BaseException:
            os.close(use)
            raise
        self._use = use

    async def _start_with(self, module: Path) -> None:
        environ = child_environment(self._settings.softhsm_configuration if is_softhsm(module) else None)
        prepared = await asyncio.to_thread(run_setup, self._settings, module, environ)
        pool = WorkerPool(self._settings, _configuration(self._settings, module, prepared), environ)
        try:
            facts = await pool.start()
        except BaseException:
            await pool.close()
            raise
        self._pool = pool
        self._capabilities = _capabilities(facts, module, self._settings.worker_count)

    async def close(self) -> None:
        if self._pool is not None:
            await self._schedule.drain()
        pool, self._pool = self._pool, None
        if pool is not None:
            self._stopped = TokenUnavailable("the key provider is closed")
            await pool.close()
            os.close(self._use)

    async def generate_composite(self, algorithm: CompositeAlgorithm, *, key_binding: bytes) -> CompositeKeyMaterial:
        checks.check_binding(key_binding)
        ids = [os.urandom(CKA_ID_SIZE), os.urandom(CKA_ID_SIZE)]
        encoded = await self._generate(Operation.GENERATE_COMPOSITE, [algorithm.name, *ids, key_binding], ids)
        return CompositeKeyMaterial.from_bytes(encoded)

    async def sign_composite(
        self, material: CompositeKeyMaterial, *, digest: bytes, context: bytes, key_binding: bytes
    ) -> bytes:
        return await self._sign_one(
            CompositeSignRequest(material=material, digest=digest, context=context, key_binding=key_binding)
        )

    async def sign_many(self, requests: Sequence[SignRequest]) -> list[bytes | HsmError]:
        checks.check_batch(requests)
        answers: list[bytes | HsmError] = [InvalidRequest("not examined")] * len(requests)
        positions: list[int] = []
        items: list[SignItem] = []
        encoded: dict[int, bytes] = {}
        for position, request in enumerate(requests):
            try:
                checks.check_request(request)
            except InvalidRequest as error:
                answers[position] = error
                continue
            positions.append(position)
            items.append(to_item(request, encoded))
        if items:
            with self._running.admitted(len(items)):
                signed = await self._schedule.sign(items)
            for position, answer in zip(positions, signed, strict=True):
                answers[position] = answer
        return answers

    async def generate_ecdsa(self, curve: EcCurve) -> EcdsaKeyMaterial:
        cka_id = os.urandom(CKA_ID_SIZE)
        encoded = await self._generate(Operation.GENERATE_ECDSA, [curve.value, cka_id], [cka_id])
        return EcdsaKeyMaterial.from_bytes(encoded)

    async def sign_ecdsa(self, material: EcdsaKeyMaterial, *, digest: bytes) -> bytes:
        return await self._sign_one(EcdsaSignRequest(material=material, digest=digest))

    async def generate_ed25519(self) -> Ed25519KeyMaterial:
        cka_id = os.urandom(CKA_ID_SIZE)
        return Ed25519KeyMaterial.from_bytes(await self._generate(Operation.GENERATE_ED25519, [cka_id], [cka_id]))

    async def sign_ed25519(self, material: Ed25519KeyMaterial, *, message: bytes) -> bytes:
        return await self._sign_one(Ed25519SignRequest(material=material, message=message))

    async def generate_mldsa(self, parameter_set: MlDsaParameterSet, *, key_binding: bytes) -> MlDsaKeyMaterial:
        checks.check_binding(key_binding)
        cka_id = os.urandom(CKA_ID_SIZE)
        arguments = [parameter_set.value, cka_id, key_binding]
        return MlDsaKeyMaterial.from_bytes(await self._generate(Operation.GENERATE_MLDSA, arguments, [cka_id]))

    async def sign_mldsa(
        self, material: MlDsaKeyMaterial, *, message: bytes, context: bytes, key_binding: bytes
    ) -> bytes:
        return await self._sign_one(
            MlDsaSignRequest(material=material, message=message, context=context, key_binding=key_binding)
        )

    async def sign_mldsa_mu(self, material: MlDsaKeyMaterial, *, mu: bytes, key_binding: bytes) -> bytes:
        return await self._sign_one(MlDsaMuSignRequest(material=material, mu=mu, key_binding=key_binding))

    async def destroy(self, material: KeyMaterial) -> None:
        ids = [key.cka_id for key in token_keys(material)]
        if ids:
            await self._running.call(Operation.DESTROY, [ids], repeatable=True, writes=True)

    async def health(self) -> HsmHealth:
        pool = self._running
        if not pool.ready:
            raise pool.failure()
        failures = await pool.probe()
        slots = pool.slots()
        times = [slot.probe_ms for slot in slots if slot.probe_ms is not None]
        if not times:
            raise failures[0] if failures else TokenUnavailable("no signer process is ready")
        return HsmHealth(
            workers_ready=len(times),
            workers=self._settings.worker_count,
            slowest_probe_ms=max(times),
            circuit=pool.circuit,
            slots=slots,
        )

    async def slots(self) -> tuple[SlotHealth, ...]:
        return self._pool.slots() if self._pool is not None else ()

    async def capabilities(self) -> HsmCapabilities:
        if self._capabilities is None:
            raise type(self._stopped)(str(self._stopped))
        return self._capabilities

    def _signers(self) -> int:
        return len(self._pool.ready) if self._pool is not None else 0

    @property
    def _running(self) -> WorkerPool:
        if self._pool is None:
            raise type(self._stopped)(str(self._stopped))
        return self._pool

    async def _sign_one(self, request: SignRequest) -> bytes:
        checks.check_request(request)
        with self._running.admitted(1):
            answers = await self._schedule.sign([to_item(request)])
        if isinstance(answers[0], HsmError):
            raise answers[0]
        return answers[0]

    async def _sign(self, items: list[SignItem]) -> list[bytes | HsmError]:
        answers = await self._running.call(Operation.SIGN, [items], items=len(items), repeatable=True)
        return [answer if isinstance(answer, bytes) else ERRORS_BY_CODE[answer[0]](answer[1]) for answer in answers]

    async def _sign_or_fail_each(self, items: list[SignItem]) -> list[bytes | HsmError]:
        try:
            return await self._sign(items)
        except HsmError as error:
            return [error] * len(items)

    async def _generate(self, operation: Operation, arguments: list[Any], cka_ids: list[bytes]) -> bytes:
        """One at a time: tokens in files do not like two writers. A failed one is cleaned up as far as possible."""
        with self._running.admitted(1):
            try:
                material: bytes = await self._running.call(operation, arguments, writes=True)
            except HsmError:
                with contextlib.suppress(HsmError):
                    await self._running.call(Operation.DESTROY, [cka_ids], repeatable=True, writes=True)
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
        "native": settings.native,
        "raced_engine": None,
        "seed_cache_seconds": settings.seed_cache_seconds,
    }


def _capabilities(facts: dict[str, Any], module: Path, workers: int) -> HsmCapabilities:
    native_sets = tuple(MlDsaParameterSet(name) for name in facts["native_parameter_sets"])
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
        post_quantum_protection=(
            ProtectionLevel.HSM if len(native_sets) == len(MlDsaParameterSet) else ProtectionLevel.HSM_WRAPPED
        ),
        native_parameter_sets=native_sets,
        native_reason=facts["native_reason"],
        workers=workers,
    )
