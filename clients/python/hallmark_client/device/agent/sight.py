"""What an application can see of the vault: its own, by policy. Of everything else it learns nothing, not even that it
is there: what is hidden is refused like what never was, after the same work.
"""

from typing import Final

from hallmark_client.device.agent.accounts import Account
from hallmark_client.device.audit import AuditAct, AuditOutcome, AuditRecord
from hallmark_client.device.errors import ArtifactUnknown
from hallmark_client.device.model import Artifact, Caller
from hallmark_client.device.policy import Callers, Operation
from hallmark_client.device.vault import Vault
from hallmark_client.watch.clocks import DeviceClock

NOT_VISIBLE: Final = "not-visible"


class Sight:
    """Of one application."""

    def __init__(self, vault: Vault, account: Account, clock: DeviceClock) -> None:
        self._vault = vault
        self._account = account
        self._clock = clock
        self.caller: Final = Caller(application=account.application, proved=True)

    def find(self, name: str, version: int | None, operation: Operation) -> Artifact:
        """Version None: the highest. Raises ArtifactUnknown."""
        try:
            artifact = self._vault.find(name, version)
            if self.sees(artifact):
                return artifact
        except ArtifactUnknown:
            pass
        self._note(name, version or 0, operation)
        raise unknown(name)

    def named(self, name: str, operation: Operation) -> tuple[Artifact, ...]:
        """All its versions. Raises ArtifactUnknown."""
        found = tuple(each for each in self._vault.artifacts() if each.name == name and self.sees(each))
        if not found:
            self._note(name, 0, operation)
            raise unknown(name)
        return found

    def sees(self, artifact: Artifact) -> bool:
        """Where the rule for it names this application, whatever it is let do. Raises ArtifactUnknown: it just went."""
        clauses = self._vault.effective_policy(artifact.name, self.caller, artifact.version)
        return any(clause.name == Callers.NAME and clause.allows for clause in clauses)

    def _note(self, name: str, version: int, operation: Operation) -> None:
        record = AuditRecord(
            time=self._clock.rtc(),
            boot_seconds=int(self._clock.boot_seconds()),
            act=AuditAct.DENIED,
            outcome=AuditOutcome.DENIED,
            name=name,
            version=version,
            caller=self.caller.application,
            clause=NOT_VISIBLE,
            facts={"operation": operation.value},
        )
        self._vault.note_denial(record)


def unknown(name: str) -> ArtifactUnknown:
    return ArtifactUnknown("ARTIFACT_UNKNOWN", f"there is no {name!r:.300} here")
