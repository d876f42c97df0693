"""Moves everything that is sealed to a new key-encryption key, then destroys the old ones.

For a stopped service: signers that run may still seal under an old key, and a log that runs keeps its key as it loaded
it. Killed anywhere, the next run goes on: it makes no further key-encryption key while there is an older one to leave,
finds by its seal what has moved, and every replacement is a compare-and-set on the bytes that were read.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy.engine import Connection

from hsm.custody import KekFact
from hsm.errors import HsmError
from hsm.material import (
    EcdsaKeyMaterial,
    Ed25519KeyMaterial,
    KeyMaterial,
    MlDsaKeyMaterial,
    SealedSeed,
    material_from_bytes,
)
from hsm.provider import KeyProvider
from kms.core.canonical import Json
from kms.core.clock import Clock
from kms.core.database import Database
from kms.core.ids import new_id
from kms.core.names import KeyVersionName
from kms.core.randomness import Randomness
from kms.keys.materials import materials_after, replace_material
from kms.keys.model import SYSTEM_TENANT, KeyPurpose, key_binding
from kms.log.keys.keys import kept_keys, replace_sealed_key
from kms.log.model import LogEntry
from kms.log.service import TransparencyLog

REWRAPPED: Final = "keys.rewrapped"
RETIRED: Final = "key-encryption-key.retired"
_SUBJECT: Final = f"tenants/{SYSTEM_TENANT}"
_BATCH: Final = 64
_Row = tuple[KeyVersionName, KeyPurpose, bytes]


@dataclass(slots=True, kw_only=True)
class RewrapReport:
    """`moved`: key versions and the log's key. `failed`: what did not open, by name; its old key then stays."""

    newest: KekFact
    moved: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    destroyed: list[bytes] = field(default_factory=list)
    kept: list[bytes] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrapper:
    """`log` is prepared and need not run."""

    database: Database
    provider: KeyProvider
    log: TransparencyLog
    clock: Clock
    randomness: Randomness
    batch: int = _BATCH

    async def run(self) -> RewrapReport:
        """Raises HsmError when the token is away (run again later), LogFrozen, Unavailable."""
        report = RewrapReport(newest=await self._newest())
        after: KeyVersionName | None = None
        while rows := await self._rows(after):
            await self._move(rows, report)
            after = rows[-1][0]
        await self._move_log_key(report)
        await self.log.step()
        await self._destroy_old(report)
        return report

    async def _rows(self, after: KeyVersionName | None) -> Sequence[_Row]:
        return await self.database.read(lambda tx: materials_after(tx, after, self.batch))

    async def _newest(self) -> KekFact:
        """Of an earlier run that was not finished, or a new one."""
        keks = await self.provider.list_keks()
        if len(keks) > 1:
            return next(kek for kek in keks if kek.newest)
        return await self.provider.create_kek()

    async def _move(self, rows: Sequence[_Row], report: RewrapReport) -> None:
        old = [(name, purpose, material_from_bytes(encoded)) for name, purpose, encoded in rows]
        todo = [item for item in old if sealed_under(item[2]) not in {None, report.newest.kek_id}]
        answers = await asyncio.gather(
            *(
                self.provider.rewrap(material, key_binding=key_binding(name, purpose))
                for name, purpose, material in todo
            ),
            return_exceptions=True,
        )
        moved: list[tuple[KeyVersionName, KeyMaterial, KeyMaterial]] = []
        for (name, _, material), answer in zip(todo, answers, strict=True):
            if isinstance(answer, BaseException):
                _note_failure(report, str(name), answer)
            else:
                moved.append((name, material, answer))
        if moved:
            now = self.clock.now()
            report.moved += await self.database.write(lambda tx: self._store(tx, moved, report.newest, now))

    def _store(
        self,
        tx: Connection,
        moved: Sequence[tuple[KeyVersionName, KeyMaterial, KeyMaterial]],
        newest: KekFact,
        now: datetime,
    ) -> int:
        done = [old for name, old, new in moved if replace_material(tx, name, old=old.to_bytes(), new=new.to_bytes())]
        self._record_moved(tx, done, newest, now)
        return len(done)

    def _record_moved(self, tx: Connection, done: Sequence[KeyMaterial], newest: KekFact, now: datetime) -> None:
        if done:
            left = sorted({kek_id.hex() for material in done if (kek_id := sealed_under(material)) is not None})
            self._record(tx, REWRAPPED, {"count": len(done), "from": list(left), "to": newest.kek_id.hex()}, now)

    async def _move_log_key(self, report: RewrapReport) -> None:
        for old, binding in await self.database.read(kept_keys):
            if isinstance(old, MlDsaKeyMaterial) and sealed_under(old) not in {None, report.newest.kek_id}:
                await self._move_sealed_log_key(old, binding, report)

    async def _move_sealed_log_key(self, old: MlDsaKeyMaterial, binding: bytes, report: RewrapReport) -> None:
        try:
            new = await self.provider.rewrap(old, key_binding=binding)
        except HsmError as error:
            _note_failure(report, "the key of the log", error)
            return
        now = self.clock.now()

        def store(tx: Connection) -> int:
            if not replace_sealed_key(tx, old=old, new=new):
                return 0
            self._record_moved(tx, [old], report.newest, now)
            return 1

        report.moved += await self.database.write(store)

    async def _destroy_old(self, report: RewrapReport) -> None:
        """The log says so first: a kill in between leaves a key that the next run retires once more."""
        in_use = await self.database.read(keks_in_use)
        old = [kek.kek_id for kek in await self.provider.list_keks() if not kek.newest]
        report.kept = [kek_id for kek_id in old if kek_id in in_use]
        unused = [kek_id for kek_id in old if kek_id not in in_use]
        if not unused:
            return
        details: dict[str, Json] = {
            "retired": [kek_id.hex() for kek_id in unused],
            "newest": report.newest.kek_id.hex(),
        }
        now = self.clock.now()
        await self.database.write(lambda tx: self._record(tx, RETIRED, details, now))
        await self.log.step()
        for kek_id in unused:
            await self.provider.destroy_kek(kek_id)
            report.destroyed.append(kek_id)

    def _record(self, tx: Connection, event_type: str, details: dict[str, Json], now: datetime) -> None:
        self.log.record(tx, LogEntry(new_id(now, self.randomness), event_type, SYSTEM_TENANT, _SUBJECT, now, details))


def sealed_under(material: KeyMaterial) -> bytes | None:
    """The id of the key-encryption key; None: all private halves are in the token."""
    if isinstance(material, EcdsaKeyMaterial | Ed25519KeyMaterial):
        return None
    half = material.post_quantum
    return half.kek_id if isinstance(half, SealedSeed) else None


def keks_in_use(tx: Connection) -> frozenset[bytes]:
    """Ids of all key-encryption keys that something stored is sealed under."""
    found: set[bytes | None] = set()
    after: KeyVersionName | None = None
    while rows := materials_after(tx, after, 1000):
        found |= {sealed_under(material_from_bytes(encoded)) for _, _, encoded in rows}
        after = rows[-1][0]
    found |= {sealed_under(material) for material, _ in kept_keys(tx)}
    return frozenset(kek_id for kek_id in found if kek_id is not None)


def _note_failure(report: RewrapReport, name: str, error: BaseException) -> None:
    """A row that does not open is reported and left; a token that is away ends the run."""
    if not isinstance(error, HsmError) or error.retryable:
        raise error
    report.failed[name] = f"{error.code}: {error}"
