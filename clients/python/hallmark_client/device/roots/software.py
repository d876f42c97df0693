"""Roots of trust whose key is in this program's memory while it seals or opens: one random AES-256 key per epoch.

Where the keys rest between two calls is what the `EpochKeys` say: memory, a file under a passphrase, a keyring.
"""

from typing import Final, Protocol

from hallmark_client.device.errors import RootUnavailable
from hallmark_client.system import System

from . import sealed
from .port import EpochEvidence, Limits, RootFacts

_SYSTEM: Final = System()


class EpochKeys(Protocol):
    """A key of 32 bytes for the present epoch, and for the next one as soon as it is asked for.

    What `key` gives is a copy for the caller to wipe. Errors: RootUnavailable, RootLost.
    """

    @property
    def root(self) -> str:
        """A name nobody else has; bound into every blob."""

    def epoch(self) -> int: ...

    def key(self, epoch: int) -> bytearray:
        """Of the present or the next epoch. A key that is made here is durable when it is given out."""

    def advance(self, to: int) -> None:
        """To the next epoch, and the key before it is gone from here: durable when it returns. A crash within leaves
        the old or the new epoch. Somebody else was there first: nothing happens.
        """

    def close(self) -> None: ...


class SoftwareRoot:
    """`RootOfTrust` over `EpochKeys`, without limits and evidence."""

    def __init__(self, keys: EpochKeys, facts: RootFacts, *, system: System | None = None) -> None:
        self._keys = keys
        self._facts = facts
        self._system = system or _SYSTEM
        self._closed = False

    @property
    def facts(self) -> RootFacts:
        return self._facts

    def seal(self, secret: bytes | bytearray, *, epoch: int, label: bytes, limits: Limits | None = None) -> bytes:
        sealed.check_sealing(secret, label=label, limits=limits, powers=self._facts.powers)
        sealed.check_present_or_next(epoch, present=self.epoch())
        key = self._keys.key(epoch)
        try:
            return sealed.seal(key, secret, aad=self._aad(epoch, label), random_bytes=self._system.random_bytes)
        finally:
            sealed.wipe(key)

    def open(self, blob: bytes, *, epoch: int, label: bytes) -> bytearray:
        sealed.check_label(label)
        present = self.epoch()
        if epoch != present:
            raise sealed.epoch_is_not(epoch, present=present)
        key = self._keys.key(epoch)
        try:
            return sealed.open_sealed(key, blob, aad=self._aad(epoch, label))
        finally:
            sealed.wipe(key)

    def epoch(self) -> int:
        if self._closed:
            raise RootUnavailable("ROOT_UNAVAILABLE", "this root of trust was closed: open it again")
        return self._keys.epoch()

    def advance(self, to: int) -> None:
        present = self.epoch()
        sealed.check_present_or_next(to, present=present)
        if to != present:
            self._keys.advance(to)

    def evidence(self, nonce: bytes) -> EpochEvidence | None:
        sealed.check_nonce(nonce)
        self.epoch()
        return None

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._keys.close()

    def _aad(self, epoch: int, label: bytes) -> bytes:
        return sealed.associated_data(root=self._keys.root, epoch=epoch, label=label)
