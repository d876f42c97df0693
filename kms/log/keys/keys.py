"""The keys of a log: one Ed25519 key for its whole life, ML-DSA-44 keys that may follow one another.

The Ed25519 half is in the token; ML-DSA-44 is there too, or a seed sealed by it (hsm.material).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from sqlalchemy.engine import Connection

from hallmark_composite import MlDsaParameterSet
from hallmark_tlog.vkey import KeyType, VerifierKey
from hsm.material import Ed25519KeyMaterial, MlDsaKeyMaterial
from hsm.provider import KeyProvider
from kms.core.canonical import canonical_json
from kms.core.database import Database
from kms.log import store
from kms.log.keys import key_store
from kms.log.keys.key_store import ED25519, ML_DSA_44, KeyRow
from kms.log.receipts import receipt_key_store
from kms.log.receipts.receipt_keys import every_receipt_key

LogKeyMaterial = Ed25519KeyMaterial | MlDsaKeyMaterial


@dataclass(frozen=True, slots=True)
class KeyOfLog:
    """One key. It signs until `retire_event`, the log entry that says it does no more, is there."""

    origin: str
    number: int
    material: LogKeyMaterial
    create_time: datetime
    retire_time: datetime | None = None
    retire_event: str | None = None

    @property
    def algorithm(self) -> str:
        return ED25519 if isinstance(self.material, Ed25519KeyMaterial) else ML_DSA_44

    @property
    def verifier(self) -> VerifierKey:
        key_type = KeyType.ED25519 if isinstance(self.material, Ed25519KeyMaterial) else KeyType.ML_DSA_44
        return _verifier(self.origin, key_type, self.material.public_key)

    @property
    def binding(self) -> bytes:
        """What a sealed seed is tied to: it opens for this log's checkpoints only."""
        if isinstance(self.material, Ed25519KeyMaterial):
            return b""
        return binding(self.origin, self.number)

    @property
    def signs(self) -> bool:
        return self.retire_event is None

    def is_due(self, now: datetime) -> bool:
        """Its time to retire has come."""
        return self.signs and self.retire_time is not None and self.retire_time <= now


@dataclass(frozen=True, slots=True)
class LogKeys:
    """Every key that one log ever had: Ed25519 first, then ML-DSA-44 by number."""

    origin: str
    every: tuple[KeyOfLog, ...]

    @property
    def signing(self) -> tuple[KeyOfLog, ...]:
        """Those whose lines a checkpoint has now."""
        return tuple(key for key in self.every if key.signs)

    @property
    def verifiers(self) -> tuple[VerifierKey, ...]:
        """Of those that sign now."""
        return tuple(key.verifier for key in self.signing)

    @property
    def every_verifier(self) -> tuple[VerifierKey, ...]:
        """Old notes need old keys."""
        return tuple(key.verifier for key in self.every)


async def ensure_keys(database: Database, provider: KeyProvider, *, origin: str, now: datetime) -> LogKeys:
    """The keys of this log, made when it has none. Raises HsmError.

    Replicas that start at once may each make a pair; the first one stored is everybody's.
    """
    keys = await database.read(lambda tx: find_keys(tx, origin))
    if keys is not None:
        return keys
    number = await database.read(lambda tx: key_store.last_number(tx, ML_DSA_44)) + 1
    made = (await provider.generate_ed25519(), await make_ml_dsa(provider, origin, number))
    keys = await database.write(lambda tx: _store_first(tx, origin, made, number, now))
    if keys.every[0].material != made[0]:
        await provider.destroy(made[0])
    return keys


async def make_ml_dsa(provider: KeyProvider, origin: str, number: int) -> MlDsaKeyMaterial:
    """Raises HsmError."""
    return await provider.generate_mldsa(MlDsaParameterSet.ML_DSA_44, key_binding=binding(origin, number))


def find_keys(tx: Connection, origin: str) -> LogKeys | None:
    """None before the log has a pair."""
    keys = tuple(_key_of(row) for row in key_store.read_keys(tx, origin=origin))
    return LogKeys(origin, keys) if {key.algorithm for key in keys} == {ED25519, ML_DSA_44} else None


def keys_of_every_log(tx: Connection) -> list[KeyOfLog]:
    """Those of closed logs too, oldest first of each algorithm."""
    return [_key_of(row) for row in key_store.read_keys(tx)]


def store_key(tx: Connection, key: KeyOfLog) -> None:
    key_store.insert_keys(tx, [KeyRow(key.algorithm, key.number, key.material.to_bytes(), key.create_time, key.origin)])


def kept_keys(tx: Connection) -> tuple[tuple[LogKeyMaterial, bytes], ...]:
    """Every key with its binding, for the jobs that seal keys anew or prove a backup. Empty before there are any."""
    keys = [(key.material, key.binding) for key in keys_of_every_log(tx)]
    return (*keys, *((key.material, key.binding) for key in every_receipt_key(tx)))


def replace_sealed_key(tx: Connection, *, old: MlDsaKeyMaterial, new: MlDsaKeyMaterial) -> bool:
    """The same key sealed anew; False when it changed meanwhile. A log that runs reads it before it signs next."""
    before, after = old.to_bytes(), new.to_bytes()
    return key_store.replace_material(tx, ML_DSA_44, old=before, new=after) or receipt_key_store.replace_material(
        tx, old=before, new=after
    )


def format_verifier_keys(keys: Iterable[VerifierKey]) -> bytes:
    """The public file `verifier-keys`: one vkey (C2SP signed-note) a line, UTF-8."""
    return "".join(f"{key}\n" for key in keys).encode()


def binding(origin: str, number: int) -> bytes:
    return canonical_json({"purpose": "log-checkpoint", "origin": origin, "algorithm": ML_DSA_44, "number": number})


def _store_first(
    tx: Connection,
    origin: str,
    made: tuple[Ed25519KeyMaterial, MlDsaKeyMaterial],
    number: int,
    now: datetime,
) -> LogKeys:
    store.read_head(tx, lock=True)  # one replica after the other
    if (keys := find_keys(tx, origin)) is not None:
        return keys
    ed25519, ml_dsa = made
    stored = (
        KeyOfLog(origin, key_store.last_number(tx, ED25519) + 1, ed25519, now),
        KeyOfLog(origin, number, ml_dsa, now),
    )
    for key in stored:
        store_key(tx, key)
    return LogKeys(origin, stored)


@lru_cache(maxsize=64)
def _verifier(origin: str, key_type: KeyType, public_key: bytes) -> VerifierKey:
    return VerifierKey(origin, key_type, public_key)


@lru_cache(maxsize=64)  # read before every signature, nearly always the same rows
def _key_of(row: KeyRow) -> KeyOfLog:
    material: LogKeyMaterial
    if row.algorithm == ED25519:
        material = Ed25519KeyMaterial.from_bytes(row.material)
    else:
        material = MlDsaKeyMaterial.from_bytes(row.material)
    return KeyOfLog(row.origin, row.number, material, row.create_time, row.retire_time, row.retire_event)
