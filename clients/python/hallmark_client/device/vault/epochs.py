"""The epoch key and the root of trust above it: made, opened, checked for rollback, and replaced.

One epoch of the vault is one epoch of the root. The index says which one its keys are under, so a crash leaves one of:
index == root: nothing was under way; index == root + 1: the new keys are durable, the root was not advanced yet.
"""

import contextlib
import hmac
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from hallmark_client.device.errors import ContentInvalid, LimitReached, RolledBack, RootLost, StoreFailed
from hallmark_client.device.model import Artifact
from hallmark_client.device.roots.port import Limits, RootOfTrust
from hallmark_client.device.vault.holdings import Holdings
from hallmark_client.device.vault.index import Index
from hallmark_client.device.vault.keys import KEY, EpochKey, wipe
from hallmark_client.device.vault.rows import NO_NOTES, Notes, Row, row_data, secret_bound
from hallmark_client.device.vault.shares import Shares
from hallmark_client.system import System

FORMAT: Final = 1
LimitsOf: TypeAlias = Callable[[Artifact], Limits | None]
"""What the policy lets the root of trust enforce now. Raises LimitReached where nothing is left."""
_ID: Final = 16


class Epochs:
    """All calls with the index's lock held."""

    def __init__(self, index: Index, root: RootOfTrust, system: System, now: Callable[[], datetime]) -> None:
        self._index = index
        self._root = root
        self._system = system
        self._now = now
        self._shares = Shares(root, system)
        self._label = b""
        self.number = 0
        self.key: EpochKey

    def make(self, tenant: str) -> None:
        """A new vault, in the root's present epoch: all of it is durable, or nothing."""
        vault = self._system.random_bytes(_ID).hex()
        self._label = _label(vault)
        epoch, key = self._root.epoch(), self._new_key()
        with self._index.transaction():
            for name, value in (("format", FORMAT), ("vault", vault), ("tenant", tenant), ("unfinished", 0)):
                self._index.set_fact(name, value)
            self._write(epoch, key)
        self.number, self.key = epoch, key

    def open(self) -> None:
        """Raises RolledBack, RootLost, RootUnavailable, StoreFailed."""
        number, sealed = self._index.fact("epoch"), self._index.fact("sealed")
        if self._index.fact("format") != FORMAT or not isinstance(number, int) or not isinstance(sealed, bytes):
            raise StoreFailed("STORE_FAILED", "the index is damaged, or a newer version of this package wrote it")
        self._label = _label(str(self._index.fact("vault")))
        self._bring_root_to(number)
        self.number = number
        self.key = EpochKey(self._opened(sealed, number), self._system.random_bytes)

    @property
    def unfinished(self) -> int:
        """The epoch before a change of epoch that is durable, but was not followed up to the end; 0: none."""
        before = self._index.fact("unfinished")
        return before if isinstance(before, int) else 0

    def finished(self) -> None:
        """Inside a transaction."""
        self._index.set_fact("unfinished", 0)
        self._index.set_fact("late", 0)

    @property
    def has_late(self) -> bool:
        """Something was deleted after the change of epoch that is unfinished: its key is under the new epoch key."""
        return bool(self._index.fact("late"))

    def note_late(self) -> None:
        """Inside the transaction of a deletion."""
        if self.unfinished:
            self._index.set_fact("late", 1)

    def wrap(self, key: bytearray, artifact: Artifact, limits: Limits | None) -> Row:
        """The row of a new artifact, with its key."""
        inner: bytes | bytearray = key
        notes, share = NO_NOTES, b""
        if limits is not None:
            notes = self._noted(NO_NOTES, limits)
            inner, share = self._shares.lock(key, artifact.artifact_id, limits, epoch=self.number)
        data = row_data(artifact, notes)
        return Row(artifact=artifact, data=data, wrapped=self.key.wrap(inner, data), notes=notes, share=share)

    def unwrap(self, row: Row) -> bytearray:
        """The artifact's key, for the caller to wipe. Raises ContentInvalid, LimitReached, RootFailed."""
        inner = self.key.unwrap(row.wrapped, row.data)
        if not row.share:
            return inner
        try:
            return self._shares.unlock(inner, row.share, row.artifact.artifact_id, epoch=self.number)
        finally:
            wipe(inner)

    def rebound(self, row: Row, artifact: Artifact, notes: Notes) -> Row:
        """The same key, with other facts bound to it."""
        return self._under(self.key, replace(row, artifact=artifact, notes=notes), row)

    def renew(self, holdings: Holdings, limits_of: LimitsOf) -> None:
        """Everything that lives gets a new epoch key, in one transaction. The old one is alive until `catch_up`.

        What was edited in the index has no key to move: it stays behind, and never holds up a deletion.
        """
        before, key, rows = self.number, self._new_key(), []
        for row in holdings.rows():
            with contextlib.suppress(ContentInvalid):
                rows.append(self._under(key, self._with_share_moved(row, limits_of), row))
        try:
            with self._index.transaction():
                for row in rows:
                    holdings.update(row)
                self._rewrap_secrets(key)
                self._index.set_fact("unfinished", before)
                self._write(before + 1, key)
        except BaseException:
            key.wipe()
            raise
        self.key.wipe()
        self.number, self.key = before + 1, key
        holdings.committed(*rows)

    def catch_up(self) -> None:
        """From here on nothing of an earlier epoch opens."""
        self._bring_root_to(self.number)

    def _bring_root_to(self, number: int) -> None:
        seen = self._root.epoch()
        if number < seen:
            raise RolledBack(
                "ROLLED_BACK",
                f"the index is of epoch {number}, the root of trust is in epoch {seen}: an older copy was put back. "
                "What it holds can not be opened any more; fetch the artifacts again into a new folder",
            )
        if number > seen + 1:
            raise RootLost(
                "ROOT_LOST",
                f"the index is of epoch {number}, the root of trust is in epoch {seen}: another one, or reset",
            )
        self._root.advance(number)

    def _under(self, key: EpochKey, changed: Row, row: Row) -> Row:
        inner = self.key.unwrap(row.wrapped, row.data)
        try:
            data = row_data(changed.artifact, changed.notes)
            return replace(changed, data=data, wrapped=key.wrap(inner, data))
        finally:
            wipe(inner)

    def _with_share_moved(self, row: Row, limits_of: LimitsOf) -> Row:
        """Where nothing is left, the share stays behind with its epoch, and the key with it."""
        if not row.share:
            return row
        with contextlib.suppress(LimitReached, RootLost):
            limits = limits_of(row.artifact) or Limits()
            share = self._shares.move(row.share, row.artifact.artifact_id, limits, epoch=self.number)
            return replace(row, share=share, notes=self._noted(row.notes, limits))
        return row

    def _noted(self, notes: Notes, limits: Limits) -> Notes:
        seconds = limits.not_after_seconds
        until = None if seconds is None else self._now() + timedelta(seconds=seconds)
        return replace(notes, sealed_uses=limits.max_uses, sealed_until=until)

    def _rewrap_secrets(self, key: EpochKey) -> None:
        connection = self._index.connection
        for label, wrapped in connection.execute("SELECT label, wrapped FROM secret").fetchall():
            try:
                secret = self.key.unwrap(wrapped, secret_bound(label))
            except ContentInvalid:
                continue
            values = (key.wrap(secret, secret_bound(label)), label)
            wipe(secret)
            connection.execute("UPDATE secret SET wrapped = ? WHERE label = ?", values)

    def _opened(self, sealed: bytes, number: int) -> bytearray:
        """A root that gives something else than was sealed is not the one: with another key, what is stored next would
        be lost, or somebody else's to read. Raises RootLost.
        """
        secret = self._root.open(sealed, epoch=number, label=self._label)
        told = self._index.fact("key_check")
        if len(secret) != KEY or not isinstance(told, bytes) or not hmac.compare_digest(told, self._check_of(secret)):
            wipe(secret)
            raise RootLost("ROOT_LOST", "the root of trust did not give the epoch key that was sealed: another one?")
        return secret

    def _check_of(self, secret: bytearray) -> bytes:
        return hmac.digest(secret, b"hallmark-epoch-key-check/" + self._label, "sha256")

    def _new_key(self) -> EpochKey:
        return EpochKey(bytearray(self._system.random_bytes(KEY)), self._system.random_bytes)

    def _write(self, epoch: int, key: EpochKey) -> None:
        self._index.set_fact("epoch", epoch)
        self._index.set_fact("key_check", self._check_of(key.secret))
        self._index.set_fact("sealed", self._root.seal(key.secret, epoch=epoch, label=self._label))


def _label(vault: str) -> bytes:
    return f"hallmark-vault/{vault}".encode()
