"""The vault brought in line with what the service has told, and deletion in two phases.

1. the command is durable, and with it the tombstone: nobody gets the artifact   2. the vault deletes: one new epoch for
all that are to go   3. the receipt is made, durable, and never changes   4. it is sent until it is answered (receipts)

Each run looks at everything again, so a crash anywhere, a lost event or a restored file is made good by the next one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol

from hallmark_client.device.audit import AuditHead
from hallmark_client.device.model import Artifact, ArtifactState, Caller
from hallmark_client.device.roots.port import RootOfTrust
from hallmark_client.device.vault.access import OWNER
from hallmark_client.watch.decisions import Use

from .fates import Fate, Told, fate_of
from .model import Step, Work
from .store import LifeStore

_EPOCH_OWED: Final = "epoch-owed"
_WHY: Final = "the service has suspended it"


class Holder(Protocol):
    """What a Vault is to this module."""

    def artifacts(self) -> tuple[Artifact, ...]: ...

    def delete(self, *artifacts: Artifact | str, caller: Caller) -> object: ...

    def suspend(self, *artifacts: Artifact | str, why: str, caller: Caller) -> object: ...

    def resume(self, *artifacts: Artifact | str, caller: Caller) -> object: ...

    def rotate(self, caller: Caller) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What a receipt says of the device. head: of the audit chain. boot_id: a UUID. time: trusted."""

    head: AuditHead
    boot_id: str
    time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasing:
    """decision, told: of the feeds. sign: makes the receipt of a command between two epochs."""

    vault: Holder
    root: RootOfTrust
    store: LifeStore
    decision: Callable[[str], Use]
    told: Callable[[], Told]
    sign: Callable[[Work, int, int], Work]

    def run(self) -> int:
        """How many artifacts were deleted. Raises DeviceError: the next run goes on where this one stopped."""
        told = self.told()
        doomed: list[Artifact] = []
        for artifact in self.vault.artifacts():
            match fate_of(artifact, self.decision(artifact.subject), told):
                case Fate.DELETE:
                    doomed.append(artifact)
                case Fate.SUSPEND:
                    self._suspend(artifact)
                case Fate.KEEP:
                    self._resume(artifact)
        self._erase(doomed)
        self._close_the_past()
        return len(doomed)

    def _suspend(self, artifact: Artifact) -> None:
        """Written down first: what its owner suspended by himself is never resumed by the service's word."""
        if artifact.state is ArtifactState.AVAILABLE:
            self.store.note_suspended(artifact.artifact_id, on=True)
            self.store.keep_fact(_EPOCH_OWED, value=True)
            self.vault.suspend(artifact, why=_WHY, caller=OWNER)

    def _close_the_past(self) -> None:
        """A copy of the folder from before a suspension does not know of it. Put back after this, it does not open."""
        if self.store.fact(_EPOCH_OWED):
            self.vault.rotate(OWNER)
            self.store.keep_fact(_EPOCH_OWED, value=False)

    def _resume(self, artifact: Artifact) -> None:
        if artifact.artifact_id not in self.store.suspended():
            return
        if artifact.state is ArtifactState.SUSPENDED:
            self.vault.resume(artifact, caller=OWNER)
        self.store.note_suspended(artifact.artifact_id, on=False)

    def _erase(self, doomed: Sequence[Artifact]) -> None:
        for work in self.store.works(Step.ASKED):
            self.store.put(replace(work, step=Step.ERASING, epoch_before=self.root.epoch()))
        gone = self.store.works(Step.ERASING)
        if doomed or gone:
            # Also without any: the vault finishes what it began before a crash, or says that it can not.
            self.vault.delete(*doomed, caller=OWNER)
        for artifact in doomed:
            self.store.note_suspended(artifact.artifact_id, on=False)
        held = {artifact.subject for artifact in self.vault.artifacts()}
        for work in gone:
            if work.command.artifact not in held:  # else it came back meanwhile: the next run
                self.store.put(self.sign(work, *self._epochs(work)))

    def _epochs(self, work: Work) -> tuple[int, int]:
        """Nothing that was sealed in the first one opens any more. Where this command found nothing to delete, or a
        crash came between, that is the epoch before the present one.
        """
        after = self.root.epoch()
        before = work.epoch_before
        return (before if before is not None and before < after else after - 1), after
