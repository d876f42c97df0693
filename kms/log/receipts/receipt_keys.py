"""The keys that sign COSE receipts: of their own, never the log's note keys, so that no signature serves as another.

Made when somebody first asks for a receipt of their algorithm, and kept for the life of the log. Ed25519 lives in the
token; ML-DSA-44 there too, or as a seed sealed by it (hsm.material).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.engine import Connection

from hallmark_composite import MlDsaParameterSet
from hallmark_tlog.cose import Algorithm, CoseKey
from hallmark_tlog.cose_keys import encode_key, encode_key_set, parse_key, thumbprint
from hsm.material import Ed25519KeyMaterial, MlDsaKeyMaterial
from hsm.provider import KeyProvider
from kms.core.canonical import canonical_json
from kms.core.database import Database
from kms.log.receipts import receipt_key_store
from kms.log.receipts.receipt_key_store import ReceiptKeyRow
from kms.public.files import PublicFile, PublicFiles

RECEIPT_KEYS_PATH: Final = "receipt-keys"
ALGORITHMS: Final = (Algorithm.EDDSA, Algorithm.ML_DSA_44)

ReceiptKeyMaterial = Ed25519KeyMaterial | MlDsaKeyMaterial


@dataclass(frozen=True, slots=True)
class ReceiptKey:
    origin: str
    algorithm: Algorithm
    material: ReceiptKeyMaterial

    @property
    def kid(self) -> bytes:
        return thumbprint(self.algorithm, self.material.public_key)

    @property
    def encoded(self) -> bytes:
        """COSE_Key."""
        return encode_key(self.algorithm, self.material.public_key)

    @property
    def cose_key(self) -> CoseKey:
        return parse_key(self.encoded)

    @property
    def binding(self) -> bytes:
        """What a sealed seed is tied to: it opens for this log's receipts only."""
        return b"" if isinstance(self.material, Ed25519KeyMaterial) else _binding(self.origin)


@dataclass(frozen=True, slots=True)
class ReceiptKeys:
    """Of one log."""

    database: Database
    provider: KeyProvider
    files: PublicFiles
    origin: str

    async def ensure(self, algorithm: Algorithm, now: datetime) -> ReceiptKey:
        """The key, made and published at first use. Replicas that come at once have the key that was stored first.

        Raises HsmError, PublicFilesError.
        """
        keys = await self.database.read(self._keys)
        if algorithm not in keys:
            made = await self._make(algorithm)
            row = ReceiptKeyRow(self.origin, algorithm, made.to_bytes(), now)
            if not await self.database.write(lambda tx: receipt_key_store.insert_key(tx, row)):
                await self.provider.destroy(made)
            keys = await self.database.read(self._keys)
        await self._publish(list(keys.values()))
        return keys[algorithm]

    async def sign(self, key: ReceiptKey, message: bytes) -> bytes:
        """Raises HsmError."""
        if isinstance(key.material, Ed25519KeyMaterial):
            return await self.provider.sign_ed25519(key.material, message=message)
        return await self.provider.sign_mldsa(key.material, message=message, context=b"", key_binding=key.binding)

    def _keys(self, tx: Connection) -> dict[Algorithm, ReceiptKey]:
        return {key.algorithm: key for key in every_receipt_key(tx) if key.origin == self.origin}

    async def _make(self, algorithm: Algorithm) -> ReceiptKeyMaterial:
        if algorithm is Algorithm.EDDSA:
            return await self.provider.generate_ed25519()
        return await self.provider.generate_mldsa(MlDsaParameterSet.ML_DSA_44, key_binding=_binding(self.origin))

    async def _publish(self, keys: list[ReceiptKey]) -> None:
        """The public file `receipt-keys`: a COSE_KeySet."""
        content = encode_key_set([(key.algorithm, key.material.public_key) for key in keys])
        if await self.files.read(RECEIPT_KEYS_PATH) != content:
            await self.files.replace(PublicFile(RECEIPT_KEYS_PATH, content))


def every_receipt_key(tx: Connection) -> list[ReceiptKey]:
    """Of every log this database ever held, for the jobs that seal keys anew or prove a backup."""
    return [_key_of(row) for row in receipt_key_store.read_keys(tx)]


def _key_of(row: ReceiptKeyRow) -> ReceiptKey:
    algorithm = Algorithm(row.algorithm)
    kind = Ed25519KeyMaterial if algorithm is Algorithm.EDDSA else MlDsaKeyMaterial
    return ReceiptKey(row.origin, algorithm, kind.from_bytes(row.material))


def _binding(origin: str) -> bytes:
    return canonical_json({"purpose": "log-receipt", "origin": origin, "algorithm": "ml-dsa-44"})
