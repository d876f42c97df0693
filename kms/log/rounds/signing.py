"""What the log signs: checkpoints, by Ed25519 (0x01) and ML-DSA-44 (0x06), all named like the log.

The Ed25519 line is what today's tools and witnesses read; the ML-DSA-44 line is what a quantum computer cannot forge
(C2SP tlog-checkpoint asks for it). A note has a line of every key that signs now or is not released: two ML-DSA-44
lines while one key follows another. Which keys sign is what the database says, the same for every replica.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.cosignature import message_to_sign, signature_line
from hallmark_tlog.errors import TlogError
from hallmark_tlog.note import Note
from hallmark_tlog.verify import Require, open_checkpoint
from hallmark_tlog.vkey import KeyType
from hsm.errors import SignatureFault
from hsm.material import Ed25519KeyMaterial
from hsm.provider import KeyProvider
from kms.core.clock import CLOCK_SKEW_MAX
from kms.core.database import Database
from kms.core.steady_time import SteadyTime
from kms.log import store
from kms.log.errors import LogDamaged, OriginChanged
from kms.log.keys.keys import KeyOfLog, LogKeys, find_keys
from kms.log.keys.retirement import retire_due
from kms.log.model import TreeHead

_logger = logging.getLogger(__name__)

KeysChanged = Callable[[LogKeys], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a signature depends on beside the tree: the log's keys, and the newest signed note for its time."""

    keys: LogKeys
    newest_note: bytes | None


class CheckpointSigner:
    """Makes signed notes. Never decides what may be signed: see `checkpoints`."""

    def __init__(
        self,
        database: Database,
        provider: KeyProvider,
        keys: LogKeys,
        *,
        steady: SteadyTime,
        keys_changed: KeysChanged,
    ) -> None:
        """`keys_changed` is told, before anything is released, that other keys sign from now on.

        `steady` says when a key retires: that is not undone when a clock comes back.
        """
        self._database = database
        self._provider = provider
        self._steady = steady
        self._keys_changed = keys_changed
        self._clock_was_behind = False
        self._last: tuple[bytes, int] | None = None
        self.keys = keys

    def shown(self, note: bytes) -> None:
        """What readers saw before this process began: its time counts, also when the database has no note of it."""
        self._last = note, self._time_of(note)

    def look(self, tx: Connection) -> Surroundings:
        """What another replica or a command did meanwhile counts from the next checkpoint on.

        Raises OriginChanged when a successor took over.
        """
        return Surroundings(_keys_now(tx, self.keys.origin), store.newest_note(tx))

    async def sign(self, head: TreeHead, now: datetime, around: Surroundings) -> bytes:
        """A note with a line of each key that signs now, verified with `hallmark_tlog`.

        Its time is `now`, or that of the note before when the clock is behind it: readers never see time go back.
        `around`: of a `look` in the transaction that committed the intent. Raises HsmError.
        """
        await self._follow(around.keys)
        timestamp = self._timestamp(now, around.newest_note)
        keys = self.keys
        checkpoint = Checkpoint(origin=keys.origin, size=head.size, root=head.root)
        signatures = await asyncio.gather(*(self._signature(key, checkpoint, timestamp) for key in keys.signing))
        try:
            lines = tuple(
                signature_line(key.verifier, signature, timestamp=_time_in_line(key, timestamp))
                for key, signature in zip(keys.signing, signatures, strict=True)
            )
            note = bytes(Note(str(checkpoint), lines))
            opened = open_checkpoint(note, keys.verifiers, origin=keys.origin, require=Require.ALL)
        except TlogError as error:
            raise SignatureFault(f"a checkpoint did not verify after signing and was discarded: {error}") from error
        if opened.checkpoint != checkpoint:
            raise SignatureFault("a signed checkpoint reads differently from what was to be signed; it was discarded")
        self._last = note, timestamp
        return note

    async def _signature(self, key: KeyOfLog, checkpoint: Checkpoint, timestamp: int) -> bytes:
        message = message_to_sign(key.verifier, checkpoint, timestamp=_time_in_line(key, timestamp))
        if isinstance(key.material, Ed25519KeyMaterial):
            return await self._provider.sign_ed25519(key.material, message=message)
        return await self._provider.sign_mldsa(key.material, message=message, context=b"", key_binding=key.binding)

    async def _follow(self, keys: LogKeys) -> None:
        """Retires who is due, and tells of keys that changed."""
        origin, now = self.keys.origin, self._steady.now()
        if any(key.is_due(now) for key in keys.signing):
            keys = await self._database.write(lambda tx: retire_due(tx, origin, now))
        if keys.verifiers != self.keys.verifiers:
            await self._keys_changed(keys)
        self.keys = keys

    def _timestamp(self, now: datetime, newest: bytes | None) -> int:
        """POSIX seconds."""
        shown = int(now.timestamp())
        before = max(0 if newest is None else self._time_of(newest), 0 if self._last is None else self._last[1])
        is_behind = shown < before - CLOCK_SKEW_MAX.total_seconds()
        if is_behind and not self._clock_was_behind:
            _logger.warning(
                "the clock is %d seconds behind the newest checkpoint: checkpoints keep that one's time until the "
                "clock has passed it. Set the clock right; it was wrong then, or is now",
                before - shown,
            )
        self._clock_was_behind = is_behind
        return max(shown, before)

    def _time_of(self, note: bytes) -> int:
        """The newest of our own times in it; signatures of keys that are gone by now count as well."""
        if self._last is not None and self._last[0] == note:  # nearly always
            return self._last[1]
        try:
            signers = open_checkpoint(note, self.keys.every_verifier, origin=self.keys.origin).signers
        except TlogError as error:
            raise LogDamaged(f"the newest signed checkpoint in it cannot be verified: {error}") from error
        return max(signer.timestamp or 0 for signer in signers)


def _keys_now(tx: Connection, origin: str) -> LogKeys:
    """Raises OriginChanged when a successor took over."""
    if (stored := store.find_origin(tx)) != origin:
        raise OriginChanged(str(stored), origin)
    keys = find_keys(tx, origin)
    if keys is None:
        raise LogDamaged("its keys are gone")
    return keys


def _time_in_line(key: KeyOfLog, timestamp: int) -> int | None:
    return None if key.verifier.type == KeyType.ED25519 else timestamp
