"""Whether somebody may do something with an artifact: policy first, then permissions. Denials are on disk before they
are answered.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from hallmark_client.device.audit import AuditAct, AuditOutcome
from hallmark_client.device.errors import ArtifactSuspended, PolicyViolation
from hallmark_client.device.model import Artifact, ArtifactState, Caller, Clause
from hallmark_client.device.policy import NOTHING_HELD, Held, Operation, UseCounts, VaultPolicy
from hallmark_client.device.roots.port import Limits, RootFacts
from hallmark_client.device.vault.index import Index
from hallmark_client.device.vault.ledger import Ledger
from hallmark_client.device.vault.rows import Row

OWNER: Final = Caller(application="hallmark.owner")
"""The program that opened the vault, which has its root of trust: it may store, delete, suspend and rotate whatever the
policy says. To read, it names itself as everybody else. This very object, not its name, is what counts.
"""


class Permissions(Protocol):
    """What stands behind artifacts from outside, such as leases."""

    def check(self, artifact: Artifact) -> None:
        """Raises ArtifactSuspended. Asked at every get, and again after 1 s of use; may be called by any thread."""


class Access:
    def __init__(
        self, index: Index, ledger: Ledger, root: RootFacts, policy: VaultPolicy, permissions: Permissions | None
    ) -> None:
        self._index = index
        self._ledger = ledger
        self._root = root
        self._permissions = permissions
        self.policy = policy
        self.uses: Final = UseCounts(index.connection)

    def check(
        self, artifact: Artifact, caller: Caller, operation: Operation, held: Held = NOTHING_HELD
    ) -> Sequence[Clause]:
        """The clauses that allowed it. Raises PolicyViolation, LimitReached."""
        if caller is OWNER and operation is not Operation.GET:
            return ()
        try:
            with self._index.reading():
                return self.policy.check(
                    artifact,
                    caller,
                    operation=operation,
                    root=self._root,
                    uses=self.uses,
                    now=self._ledger.now(),
                    held=held,
                )
        except PolicyViolation as error:
            self.deny(artifact, caller, operation, clause=error.clause)
            raise

    def effective(self, row: Row, caller: Caller, readers: int) -> tuple[Clause, ...]:
        with self._index.reading():
            return self._effective(row.artifact, caller, Operation.GET, held(row, readers))

    def limits(self, artifact: Artifact) -> Limits | None:
        """What the root of trust is to enforce. Raises LimitReached where nothing is left."""
        with self._index.reading():
            return self.policy.limits(artifact, root=self._root, uses=self.uses, now=self._ledger.now())

    def may_list(self, artifact: Artifact, caller: Caller) -> bool:
        if caller is OWNER:
            return True
        with self._index.reading():
            clauses = self._effective(artifact, caller, Operation.LIST, NOTHING_HELD)
        return all(clause.allows for clause in clauses)

    def check_owner(self, caller: Caller, act: str) -> None:
        """Raises PolicyViolation."""
        if caller is not OWNER:
            raise PolicyViolation("owner", f"only the program that opened the vault may {act}")

    def is_counted(self, artifact: Artifact) -> bool:
        """A limit of uses rests on the count: it is durable before the bytes are given."""
        rule = self.policy.rule_for(artifact)
        return rule is not None and rule.max_uses is not None

    def check_usable(self, row: Row, caller: Caller) -> None:
        """State and permissions. Raises ArtifactSuspended."""
        try:
            self.check_standing(row)
        except ArtifactSuspended as error:
            self.deny(row.artifact, caller, Operation.GET, clause=error.reason.lower().replace("_", "-"))
            raise

    def check_open(self, row: Row, caller: Caller) -> None:
        """Of a reader that is open. Raises ArtifactSuspended, PolicyViolation, LimitReached."""
        self.check_permission(row.artifact)
        try:
            now, holding = self._ledger.now(), held(row, 0)
            self.policy.check_open(row.artifact, caller, root=self._root, now=now, held=holding)
        except PolicyViolation as error:
            self.deny(row.artifact, caller, Operation.GET, clause=error.clause)
            raise

    def check_permission(self, artifact: Artifact) -> None:
        if self._permissions is not None:
            self._permissions.check(artifact)
        elif artifact.needs_permission:
            raise suspended(artifact, "it needs a lease, and this vault was opened without permissions")

    def deny(self, artifact: Artifact, caller: Caller, operation: Operation, *, clause: str) -> None:
        facts = {"operation": operation.value}
        record = self._ledger.record(
            AuditAct.DENIED,
            artifact=artifact,
            caller=caller,
            outcome=AuditOutcome.DENIED,
            clause=clause,
            facts=facts,
        )
        self._ledger.note_denial(record)

    def _effective(self, artifact: Artifact, caller: Caller, operation: Operation, held: Held) -> tuple[Clause, ...]:
        now = self._ledger.now()
        return self.policy.effective(
            artifact, caller, operation=operation, root=self._root, uses=self.uses, now=now, held=held
        )

    def check_standing(self, row: Row) -> None:
        """State and permissions; nothing is written. Raises ArtifactSuspended."""
        if row.artifact.state is not ArtifactState.AVAILABLE:
            raise suspended(row.artifact, row.notes.why or "it was suspended here")
        self.check_permission(row.artifact)


def held(row: Row, readers: int) -> Held:
    return Held(readers=readers, sealed_uses=row.notes.sealed_uses, sealed_until=row.notes.sealed_until)


def suspended(artifact: Artifact, why: str) -> ArtifactSuspended:
    return ArtifactSuspended(
        "ARTIFACT_SUSPENDED", f"{artifact.name!r:.80} may not be used now: {why}", metadata={"why": why}
    )
