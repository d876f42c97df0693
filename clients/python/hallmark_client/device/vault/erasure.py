"""Deletion that holds against copies: the key above the deleted ones is replaced, and dies with its epoch.

1. tombstones, durable: nobody gets the artifact from here on, whatever happens  2. readers and what they hold are gone
3. a new epoch key over everything that lives, sealed for the next epoch, durable  4. the root of trust advances: from
here on no copy opens  5. files are removed, rows leave, the audit entry is written
A crash in between is followed up when the vault opens next, or before its next deletion.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hallmark_client.device.audit import AuditAct, AuditHead
from hallmark_client.device.model import Artifact, ArtifactState, Caller
from hallmark_client.device.policy import Operation
from hallmark_client.device.roots.port import EpochEvidence, RootOfTrust
from hallmark_client.device.vault.access import Access
from hallmark_client.device.vault.holdings import unknown
from hallmark_client.device.vault.rows import Row, tombstone
from hallmark_client.device.vault.state import VaultState
from hallmark_client.model.result import Result

METHOD: Final = "cryptographic-erase"
"""NIST SP 800-88 Rev. 1, section 2.6."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion(Result):
    """epoch_before, epoch_after: of the vault. evidence: what the root certifies of its epoch, if it can.
    audit_head: of the chain with the entries of this deletion in it.
    """

    artifacts: tuple[Artifact, ...]
    method: str
    epoch_before: int
    epoch_after: int
    evidence: EpochEvidence | None
    audit_head: AuditHead


class Erasure:
    """Raises what the root of trust raises, and StoreFailed: then `follow_up` does the rest later."""

    def __init__(self, state: VaultState, access: Access, root: RootOfTrust) -> None:
        self._state = state
        self._access = access
        self._root = root

    def delete(self, artifacts: Sequence[Artifact | str], caller: Caller, nonce: bytes | None) -> Deletion:
        state = self._state
        with state.index.reading():
            rows = state.holdings.named(artifacts)
            for row in rows:
                self._access.check(row.artifact, caller, Operation.DELETE)
            before = state.epochs.number
            # First of all, also while the root of trust is away: from here on nobody gets them.
            self._bury([row for row in rows if row.artifact.state is not ArtifactState.DELETING], caller)
            self.follow_up()
            return Deletion(
                artifacts=tuple(row.artifact for row in rows),
                method=METHOD,
                epoch_before=before,
                epoch_after=state.epochs.number,
                evidence=None if nonce is None else self._root.evidence(nonce),
                audit_head=state.ledger.chain.head(),
            )

    def rotate(self, caller: Caller) -> int:
        """A new epoch without a deletion: its number."""
        self._access.check_owner(caller, "begin a new epoch")
        state = self._state
        with state.index.lock:
            self.follow_up()
            state.epochs.renew(state.holdings, self._access.limits)
            self.follow_up()
            return state.epochs.number

    def _bury(self, rows: Sequence[Row], caller: Caller) -> None:
        if not rows:
            return
        holdings, dead = self._state.holdings, [tombstone(row, caller.application) for row in rows]
        with self._state.ledger.transaction():
            for row in dead:
                holdings.update(row)
            self._state.epochs.note_late()
        holdings.committed(*dead)
        for row in dead:
            holdings.end_readers(row.artifact.artifact_id, unknown(row.artifact.name))

    def follow_up(self) -> None:
        """What was begun is done, with the index's lock held; or this raises and can be called again."""
        epochs, doomed = self._state.epochs, self._state.holdings.doomed()
        if epochs.has_late:
            epochs.catch_up()
            with self._state.ledger.transaction():
                epochs.finished()
        if doomed and not epochs.unfinished:
            epochs.renew(self._state.holdings, self._access.limits)
        before = epochs.unfinished
        if before:
            epochs.catch_up()
            self._forget(doomed, before)

    def _forget(self, doomed: Sequence[Row], before: int) -> None:
        state, holdings = self._state, self._state.holdings
        living = {blob for row in holdings.rows() for blob, _ in row.blobs}
        state.folder.drop([blob for row in doomed for blob, _ in row.blobs if blob not in living])
        facts = {"epoch_after": str(state.epochs.number), "epoch_before": str(before), "method": METHOD}
        with state.ledger.transaction() as chain:
            for row in doomed:
                holdings.remove(row)
                self._access.uses.forget(row.artifact.artifact_id)
                told = {**facts, "digest": row.artifact.digest}
                by = Caller(application=row.notes.why)
                chain.append(state.ledger.record(AuditAct.DELETED, artifact=row.artifact, caller=by, facts=told))
            if not doomed:
                chain.append(state.ledger.record(AuditAct.ROTATED, facts=facts))
            state.epochs.finished()
        holdings.removed(*doomed)
