"""One root of trust for the vault and for those who ask it for evidence: one caller at a time."""

import threading

from hallmark_client.device.roots.port import EpochEvidence, Limits, RootFacts, RootOfTrust


class SharedRoot:
    """`RootOfTrust` behind a lock."""

    def __init__(self, root: RootOfTrust) -> None:
        self._root = root
        self._lock = threading.RLock()

    @property
    def facts(self) -> RootFacts:
        return self._root.facts

    def seal(self, secret: bytes | bytearray, *, epoch: int, label: bytes, limits: Limits | None = None) -> bytes:
        with self._lock:
            return self._root.seal(secret, epoch=epoch, label=label, limits=limits)

    def open(self, blob: bytes, *, epoch: int, label: bytes) -> bytearray:
        with self._lock:
            return self._root.open(blob, epoch=epoch, label=label)

    def epoch(self) -> int:
        with self._lock:
            return self._root.epoch()

    def advance(self, to: int) -> None:
        with self._lock:
            self._root.advance(to)

    def evidence(self, nonce: bytes) -> EpochEvidence | None:
        with self._lock:
            return self._root.evidence(nonce)

    def close(self) -> None:
        with self._lock:
            self._root.close()
