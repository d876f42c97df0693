"""One ML-DSA-44 key after another, under the same origin: the new one signs beside the old one for a while.

Who verifies with the old vkey goes on until the old key retires, and finds the new vkey in the log itself, under a
checkpoint that the old key signed. The Ed25519 key stays for the life of the origin, because witnesses know a log by
it: see `succession`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.engine import Connection

from hsm.errors import HsmError
from hsm.material import MlDsaKeyMaterial
from hsm.provider import KeyProvider
from kms.core.database import Database
from kms.core.errors import Aborted, FailedPrecondition, InvalidArgument, OutcomeUnknown, Reason, Unavailable
from kms.core.idempotency import Replays, RequestKey
from kms.log import store
from kms.log.errors import LogDamaged
from kms.log.keys import announcements, key_store
from kms.log.keys.key_store import ML_DSA_44
from kms.log.keys.keys import KeyOfLog, find_keys, keys_of_every_log, make_ml_dsa, store_key
from kms.log.model import LogPromise, promise_of
from kms.log.service import TransparencyLog

OVERLAP_DEFAULT: Final = timedelta(days=30)
OVERLAP_MIN: Final = timedelta(hours=1)
OVERLAP_MAX: Final = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class Rotated:
    """`number` of the new key; the announcement's event key and bytes."""

    number: int
    event_key: str
    entry: bytes


class LogKeyLife:
    """Use cases of the log's keys."""

    def __init__(self, database: Database, provider: KeyProvider, log: TransparencyLog) -> None:
        self._database = database
        self._provider = provider
        self._log = log
        self._replays: Replays[Rotated] = Replays(Rotated)

    async def list(self) -> list[KeyOfLog]:
        """Of this log and of the logs before it; Ed25519 first, by number."""
        return await self._database.read(keys_of_every_log)

    async def rotate(
        self, *, request: RequestKey, overlap: timedelta | None, now: datetime
    ) -> tuple[KeyOfLog, LogPromise]:
        """A new ML-DSA-44 key. The old one retires after `overlap` (default 30 days, at least an hour).

        Raises InvalidArgument, FailedPrecondition/STATE_TRANSITION_INVALID while an earlier rotation is not over,
        Unavailable/HSM_UNAVAILABLE, Aborted when somebody else was faster, and what `TransparencyLog.record` raises.
        """
        overlap = _checked(overlap)
        origin = self._log.origin
        done = await self._database.read(lambda tx: self._replays.find(tx, request))
        if done is None:
            done = await self._make(origin, request, overlap, now)
        key = await self._database.read(lambda tx: _find(tx, origin, done.number))
        return key, await self._log.confirm(promise_of(done.event_key, done.entry), published=False)

    async def _make(self, origin: str, request: RequestKey, overlap: timedelta, now: datetime) -> Rotated:
        number = await self._database.read(lambda tx: _next_number(tx, origin))
        try:
            material = await make_ml_dsa(self._provider, origin, number)
        except HsmError as error:
            raise Unavailable(
                Reason.HSM_UNAVAILABLE, f"the new key of the log can not be made: {error}", retry_after_seconds=5
            ) from error
        try:
            done = await self._database.write(
                lambda tx: self._store(tx, KeyOfLog(origin, number, material, now), request, overlap)
            )
        except OutcomeUnknown:
            raise  # it may be stored, and then it is needed
        except Exception:
            await self._provider.destroy(material)
            raise
        if done.number != number or not await self._is_stored(origin, number, material):
            await self._provider.destroy(material)  # the same call, sent twice at once
        return done

    def _store(self, tx: Connection, key: KeyOfLog, request: RequestKey, overlap: timedelta) -> Rotated:
        store.read_head(tx, lock=True)  # one replica after the other
        if (done := self._replays.find(tx, request)) is not None:
            return done
        if _next_number(tx, key.origin) != key.number:
            raise Aborted(Reason.STATE_TRANSITION_INVALID, "another rotation was faster; list the keys")
        before, now = _signing_ml_dsa(tx, key.origin), key.create_time
        retire_time = now + overlap
        store_key(tx, key)
        key_store.plan_retirement(tx, ML_DSA_44, before.number, retire_time)
        promise = self._log.record(tx, announcements.key_added(key, before=before, retire_time=retire_time, now=now))
        done = Rotated(key.number, promise.event_key, promise.entry)
        self._replays.store(tx, request, done, now)
        return done

    async def _is_stored(self, origin: str, number: int, material: MlDsaKeyMaterial) -> bool:
        stored = await self._database.read(lambda tx: _find(tx, origin, number))
        return stored.material.public_key == material.public_key


def _next_number(tx: Connection, origin: str) -> int:
    """Raises FailedPrecondition while two keys sign."""
    _signing_ml_dsa(tx, origin)
    return key_store.last_number(tx, ML_DSA_44) + 1


def _signing_ml_dsa(tx: Connection, origin: str) -> KeyOfLog:
    """The one that signs now. Raises FailedPrecondition while there are two."""
    keys = find_keys(tx, origin)
    signing = [key for key in keys.signing if key.algorithm == ML_DSA_44] if keys is not None else []
    if len(signing) > 1:
        raise FailedPrecondition(
            Reason.STATE_TRANSITION_INVALID,
            f"key {signing[0].number} of the log has not retired yet: it signs beside key {signing[-1].number} until "
            f"{signing[0].retire_time}; rotate again after that",
        )
    if not signing:
        raise LogDamaged("it has no ML-DSA-44 key that signs")
    return signing[0]


def _find(tx: Connection, origin: str, number: int) -> KeyOfLog:
    for key in keys_of_every_log(tx):
        if (key.algorithm, key.number) == (ML_DSA_44, number):
            return key
    raise LogDamaged(f"key {number} of the log {origin} is gone")


def _checked(overlap: timedelta | None) -> timedelta:
    if overlap is None:
        return OVERLAP_DEFAULT
    if not OVERLAP_MIN <= overlap <= OVERLAP_MAX:
        raise InvalidArgument(
            Reason.FIELD_INVALID,
            "overlap_seconds is 3600 (an hour) to 315360000 (ten years); leave it out for 30 days",
            field="overlap_seconds",
        )
    return overlap
