"""How plaintext leaves the vault."""

from hallmark_client.device.audit import AuditAct, AuditOutcome
from hallmark_client.device.chunks import SealedFile
from hallmark_client.device.errors import ArtifactUnknown, ContentInvalid
from hallmark_client.device.model import Artifact, Caller, Part
from hallmark_client.device.policy import Operation
from hallmark_client.device.vault.access import Access, held
from hallmark_client.device.vault.folder import refused_by_disk
from hallmark_client.device.vault.holdings import unknown
from hallmark_client.device.vault.keys import wipe
from hallmark_client.device.vault.reader import ArtifactReader
from hallmark_client.device.vault.rows import Row
from hallmark_client.device.vault.state import VaultState


class Reading:
    def __init__(self, state: VaultState, access: Access) -> None:
        self._state = state
        self._access = access

    def get(self, name: str, version: int | None, part: str, caller: Caller) -> ArtifactReader:
        """1. policy  2. state and permissions  3. a use that is counted, durable  4. key, file, its last chunk"""
        row = self._state.holdings.find(name, version)
        self._ask(row, caller)
        found = find_part(row.artifact, part)  # what is denied tells nobody its parts
        self._access.check_usable(row, caller)
        record = self._state.ledger.record(AuditAct.GET, artifact=row.artifact, caller=caller)
        with self._state.index.lock:
            row = self._unchanged(row)
            self._ask(row, caller)  # again: others may have taken the last use while permissions were asked
            counted = self._access.is_counted(row.artifact)
            if counted:
                with self._state.ledger.transaction() as chain:
                    self._access.uses.spend(row.artifact.artifact_id, record.time)
                    chain.append(record)
            reader = self._open(row, found, caller)
        if not counted:
            try:
                self._state.ledger.note_read(record)
            except BaseException:
                reader.close()
                raise
        return reader

    def open_part(self, row: Row, part: Part) -> SealedFile:
        """Without asking anybody, with the index's lock held."""
        key = self._state.epochs.unwrap(row)
        try:
            with refused_by_disk(self._state.folder.path):
                return SealedFile.at(self._state.folder.blob(part.blob), key, part.context)
        finally:
            wipe(key)

    def _open(self, row: Row, part: Part, caller: Caller) -> ArtifactReader:
        artifact = row.artifact
        try:
            file = self.open_part(row, part)
        except ContentInvalid:
            ledger = self._state.ledger
            failed = AuditOutcome.FAILED
            ledger.note(ledger.record(AuditAct.GET, artifact=artifact, caller=caller, outcome=failed))
            raise
        may = lambda: self._access.check_open(row, caller)  # noqa: E731
        reader = ArtifactReader(file, artifact, part, may, self._state.system.monotonic)
        self._state.holdings.reads(artifact.artifact_id, reader)
        return reader

    def _ask(self, row: Row, caller: Caller) -> None:
        self._access.check(row.artifact, caller, Operation.GET, held(row, self._readers(row)))

    def _unchanged(self, row: Row) -> Row:
        """A new epoch may have wrapped the same artifact again meanwhile; nothing else may have happened to it."""
        now = self._state.holdings.find(row.artifact.name, row.artifact.version)
        if now.artifact != row.artifact:
            raise unknown(row.artifact.name)
        return now

    def _readers(self, row: Row) -> int:
        return sum(1 for reader in self._state.holdings.readers(row.artifact.artifact_id) if not reader.closed)


def find_part(artifact: Artifact, path: str) -> Part:
    """Raises ArtifactUnknown that names some of those that are there."""
    for part in artifact.parts:
        if part.path == path:
            return part
    some = ", ".join(repr(part.path) for part in artifact.parts[:5])
    raise ArtifactUnknown("ARTIFACT_UNKNOWN", f"{artifact.name!r} has no part {path!r}: it has {some}")
