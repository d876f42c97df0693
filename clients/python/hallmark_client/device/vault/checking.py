"""Everything that is stored, read and compared with what was stored."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hallmark_client.device.audit import AuditBroken
from hallmark_client.device.errors import DeviceError, StoreFailed
from hallmark_client.device.vault.reading import Reading
from hallmark_client.device.vault.rows import Row
from hallmark_client.device.vault.state import VaultState
from hallmark_client.model.result import Result

_BLOCK: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage(Result):
    """name and part as in the index; "" for the audit chain. why: for people."""

    name: str
    version: int
    part: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport(Result):
    """artifacts, size: what was read whole, in bytes of plaintext. damages: what is not what was stored."""

    artifacts: int
    size: int
    damages: tuple[Damage, ...]


class Checking:
    def __init__(self, state: VaultState, reading: Reading, progress: Callable[[int], None] | None) -> None:
        self._state = state
        self._reading = reading
        self._progress = progress
        self._size = 0
        self._damages: list[Damage] = []

    def run(self) -> CheckReport:
        """No policy is asked, nothing is given out. An artifact whose key has limits of the root of trust is left out:
        to check it would spend a use.
        """
        state = self._state
        with state.index.lock:
            rows = [row for row in state.holdings.rows() if not row.share]
            for artifact_id, why in state.holdings.damaged.items():
                self._damaged(artifact_id, 0, "", why)
        for row in rows:
            self._check(row)
        self._check_audit()
        return CheckReport(artifacts=len(rows), size=self._size, damages=tuple(self._damages))

    def _check(self, row: Row) -> None:
        for part in row.artifact.parts:
            try:
                with self._state.index.lock:
                    if not self._state.holdings.is_current(row):
                        return
                    file = self._reading.open_part(row, part)
                try:
                    digest, buffer, at = hashlib.sha256(), bytearray(_BLOCK), 0
                    while count := file.read_into(at, memoryview(buffer)):
                        digest.update(memoryview(buffer)[:count])
                        at += count
                        self._read(count)
                finally:
                    file.close()
                if digest.hexdigest() != part.sha256:
                    self._damaged(row.artifact.name, row.artifact.version, part.path, "it has another digest")
            except DeviceError as error:
                self._damaged(row.artifact.name, row.artifact.version, part.path, error.message)

    def _check_audit(self) -> None:
        with self._state.index.lock:
            try:
                with self._state.index.refused():
                    self._state.ledger.chain.verify()
            except (AuditBroken, StoreFailed) as error:
                self._damaged("", 0, "", error.message)

    def _read(self, count: int) -> None:
        self._size += count
        if self._progress is not None:
            self._progress(self._size)

    def _damaged(self, name: str, version: int, part: str, why: str) -> None:
        self._damages.append(Damage(name=name, version=version, part=part, why=why))
