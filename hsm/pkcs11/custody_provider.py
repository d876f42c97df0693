"""The half of Pkcs11KeyProvider for hsm/custody.py: requests to signer processes, as provider.py makes them."""

import os
from abc import ABC, abstractmethod
from typing import Any, TypeVar

from hallmark_envelope import HpkeKem, TransferAlgorithm
from hsm import custody_requests as checks
from hsm.custody import ExportPermit, KekFact
from hsm.errors import HsmError
from hsm.material import CKA_ID_SIZE, HpkeKeyMaterial, KeyMaterial, material_from_bytes
from hsm.requests import check_binding

from .frames import Operation
from .kek_order import newest_of
from .pool import WorkerPool

Material = TypeVar("Material", bound=KeyMaterial)


class CustodyProvider(ABC):
    """Its other half has the pool."""

    @property
    @abstractmethod
    def _running(self) -> WorkerPool: ...

    @abstractmethod
    async def _generate(self, operation: Operation, arguments: list[Any], cka_ids: list[bytes]) -> bytes: ...

    async def generate_hpke(self, kem: HpkeKem, *, key_binding: bytes) -> HpkeKeyMaterial:
        check_binding(key_binding)
        with self._running.admitted(1):
            encoded = await self._running.call(Operation.GENERATE_HPKE, [int(kem), key_binding], repeatable=True)
        return HpkeKeyMaterial.from_bytes(encoded)

    async def open_envelope(
        self, material: HpkeKeyMaterial, *, envelope: bytes, info: bytes, key_binding: bytes
    ) -> bytes:
        check_binding(key_binding)
        checks.check_envelope(envelope, info)
        items = checks.weight_of(envelope)
        with self._running.admitted(items):
            plaintext: bytes = await self._running.call(
                Operation.OPEN_ENVELOPE,
                [material.to_bytes(), envelope, info, key_binding],
                items=items,
                repeatable=True,
            )
        return plaintext

    async def list_keks(self) -> tuple[KekFact, ...]:
        facts = await self._keks()
        await self._running.call_each(Operation.ADOPT_KEK, [])  # a process that cannot keeps the one before
        return facts

    async def create_kek(self) -> KekFact:
        generation, kek_id = await self._running.call(Operation.CREATE_KEK, [], writes=True)
        for result in await self._running.call_each(Operation.ADOPT_KEK, []):
            if isinstance(result, HsmError) and not result.retryable:
                raise result
        return KekFact(kek_id=kek_id, generation=generation, newest=True)

    async def rewrap(self, material: Material, *, key_binding: bytes) -> Material:
        check_binding(key_binding)
        with self._running.admitted(1):
            encoded = await self._running.call(Operation.REWRAP, [material.to_bytes(), key_binding], repeatable=True)
        moved = type(material).from_bytes(encoded)
        assert isinstance(moved, type(material))
        return moved

    async def destroy_kek(self, kek_id: bytes) -> None:
        await self._running.call_each(Operation.ADOPT_KEK, [])  # no process here seals under an old one any more
        await self._running.call(Operation.DESTROY_KEK, [kek_id], repeatable=True, writes=True)

    async def generate_exportable(self, algorithm: TransferAlgorithm, *, key_binding: bytes) -> KeyMaterial:
        check_binding(key_binding)
        cka_id = os.urandom(CKA_ID_SIZE)
        arguments = [algorithm.value, cka_id, key_binding]
        return material_from_bytes(await self._generate(Operation.GENERATE_EXPORTABLE, arguments, [cka_id]))

    async def import_key(
        self,
        import_key: HpkeKeyMaterial,
        *,
        envelope: bytes,
        algorithm: TransferAlgorithm,
        key_name: str,
        import_key_binding: bytes,
        key_binding: bytes,
        exportable: bool = False,
        exported_as: str = "",
    ) -> KeyMaterial:
        check_binding(key_binding)
        check_binding(import_key_binding)
        checks.check_envelope(envelope, b"")
        cka_id = os.urandom(CKA_ID_SIZE)
        arguments = [
            import_key.to_bytes(),
            envelope,
            algorithm.value,
            key_name,
            import_key_binding,
            key_binding,
            exportable,
            exported_as,
            cka_id,
        ]
        return material_from_bytes(await self._generate(Operation.IMPORT_KEY, arguments, [cka_id]))

    async def export_key(self, material: KeyMaterial, *, permit: ExportPermit, key_binding: bytes) -> bytes:
        check_binding(key_binding)
        fields = [
            permit.public_key_sha256,
            permit.key_name,
            int(permit.recipient_kem),
            permit.recipient_public_key,
            permit.approval,
        ]
        arguments = [material.to_bytes(), fields, key_binding]
        with self._running.admitted(1):
            envelope: bytes = await self._running.call(Operation.EXPORT_KEY, arguments, repeatable=True)
        return envelope

    async def read_data(self, name: str) -> tuple[bytes, ...]:
        checks.check_data_name(name)
        return tuple(await self._running.call(Operation.READ_DATA, [name], repeatable=True))

    async def write_data(self, name: str, value: bytes) -> None:
        checks.check_data(name, value)
        await self._running.call(Operation.WRITE_DATA, [name, value], repeatable=True, writes=True)

    async def _keks(self) -> tuple[KekFact, ...]:
        answers = await self._running.call(Operation.LIST_KEKS, [], repeatable=True)
        keks = [(generation, kek_id) for generation, kek_id in answers]
        newest = newest_of(keks)
        return tuple(
            KekFact(kek_id=kek_id, generation=generation, newest=(generation, kek_id) == newest)
            for generation, kek_id in keks
        )
