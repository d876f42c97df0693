"""Fresh key pairs from the HSM, of any algorithm, and their removal."""

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar, assert_never

from sqlalchemy.engine import Connection

from hallmark_envelope import HpkeKem, TransferAlgorithm
from hsm.errors import HsmError
from hsm.material import KeyMaterial
from hsm.provider import KeyProvider
from kms.core.canonical import Json
from kms.core.database import Database
from kms.core.errors import OutcomeUnknown, ServiceError
from kms.core.names import KeyVersionName
from kms.keys.algorithms import AlgorithmFamily, KeyAlgorithm
from kms.keys.creation import creation_facts, creation_record
from kms.keys.hsm_errors import to_service_error
from kms.keys.model import KeyPurpose, KeyVersion, KeyVersionState, key_binding

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class MadeVersion:
    """A version that has no row yet, and what the log is to tell of its making."""

    version: KeyVersion
    record: Mapping[str, Json]
    committed: Mapping[str, str]
    """Facts for commitments of the entry."""


@dataclass(frozen=True, slots=True)
class KeyGenerator:
    """Makes versions outside of any transaction and commits them in one."""

    provider: KeyProvider
    database: Database

    async def generate(
        self,
        name: KeyVersionName,
        purpose: KeyPurpose,
        algorithm: KeyAlgorithm,
        *,
        now: datetime,
        begin: datetime,
        exportable: bool = False,
    ) -> MadeVersion:
        """A version that is ACTIVE, or PRE_ACTIVE when it begins later than now. Raises ServiceError."""
        binding = key_binding(name, purpose)
        try:
            capabilities = await self.provider.capabilities()
            if exportable:
                material = await self.provider.generate_exportable(transfer_of(algorithm), key_binding=binding)
            else:
                material = await self._material(algorithm, binding)
        except HsmError as error:
            raise to_service_error(error) from error
        version = KeyVersion(
            name=name,
            algorithm=algorithm,
            state=KeyVersionState.PRE_ACTIVE if begin > now else KeyVersionState.ACTIVE,
            material=material,
            public_bytes=material.public_key,
            create_time=now,
            activate_time=begin,
            exportable=exportable,
        )
        return MadeVersion(version, creation_record(version, capabilities), creation_facts(capabilities))

    async def discard(self, version: KeyVersion) -> None:
        """Removes a key pair that got no row from the token again, as far as that goes."""
        with contextlib.suppress(HsmError):
            await self.provider.destroy(version.usable_material)

    async def commit(self, work: Callable[[Connection], tuple[T, bool]], version: KeyVersion) -> tuple[T, bool]:
        """Runs `work`, which answers (result, replayed); a key pair that got no row is removed from the token again.

        When the outcome is not known (cancelled, connection lost) the pair stays: unreachable at worst, never missed.
        """
        try:
            result, replayed = await self.database.write(work)
        except OutcomeUnknown:
            raise
        except ServiceError:
            await self.discard(version)
            raise
        if replayed:
            await self.discard(version)
        return result, replayed

    def _material(self, algorithm: KeyAlgorithm, binding: bytes) -> Awaitable[KeyMaterial]:
        match algorithm.family:
            case AlgorithmFamily.COMPOSITE:
                assert algorithm.composite is not None
                return self.provider.generate_composite(algorithm.composite, key_binding=binding)
            case AlgorithmFamily.ML_DSA:
                assert algorithm.ml_dsa is not None
                return self.provider.generate_mldsa(algorithm.ml_dsa, key_binding=binding)
            case AlgorithmFamily.ECDSA:
                assert algorithm.curve is not None
                return self.provider.generate_ecdsa(algorithm.curve)
            case AlgorithmFamily.ED25519:
                return self.provider.generate_ed25519()
            case AlgorithmFamily.HPKE:
                assert algorithm.kem_id is not None
                return self.provider.generate_hpke(HpkeKem(algorithm.kem_id), key_binding=binding)
            case _:
                assert_never(algorithm.family)


def transfer_of(algorithm: KeyAlgorithm) -> TransferAlgorithm:
    """Its name where private keys travel."""
    if algorithm.curve is not None:
        return TransferAlgorithm(f"ECDSA-{algorithm.curve.value}")
    return TransferAlgorithm(algorithm.title)
