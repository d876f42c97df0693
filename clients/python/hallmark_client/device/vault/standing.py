"""What stays in the vault, but changes what may be done with it: suspensions, and the policy."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from hallmark_client.device.audit import AuditAct
from hallmark_client.device.model import Artifact, ArtifactState, Caller
from hallmark_client.device.policy import DENY_ALL, PolicyInvalid, PolicyRolledBack, VaultPolicy, VerifiedPolicy
from hallmark_client.device.vault.access import OWNER, Access, suspended
from hallmark_client.device.vault.secrets import POLICY
from hallmark_client.device.vault.state import VaultState

_WHY_MAX: Final = 256


class Standing:
    def __init__(self, state: VaultState, access: Access) -> None:
        self._state = state
        self._access = access

    def suspend(self, artifacts: Sequence[Artifact | str], why: str, caller: Caller) -> None:
        self._access.check_owner(caller, "suspend")
        self._change(artifacts, ArtifactState.SUSPENDED, why[:_WHY_MAX], caller)

    def resume(self, artifacts: Sequence[Artifact | str], caller: Caller) -> None:
        self._access.check_owner(caller, "resume")
        self._change(artifacts, ArtifactState.AVAILABLE, "", caller)

    def set_policy(self, policy: VaultPolicy | VerifiedPolicy, caller: Caller) -> None:
        state = self._state
        with state.index.lock:
            new = self._changed(policy, caller)
            facts = {"digest": new.digest, "policy": str(new.version)}
            with state.ledger.transaction() as chain:
                state.secrets.write(POLICY, new.to_bytes())
                chain.append(state.ledger.record(AuditAct.POLICY_CHANGED, caller=caller, facts=facts))
            self._access.policy = new

    def _change(self, artifacts: Sequence[Artifact | str], to: ArtifactState, why: str, caller: Caller) -> None:
        """The state is bound to the wrapped key: nobody writes another one into the index."""
        state = self._state
        act = AuditAct.SUSPENDED if to is ArtifactState.SUSPENDED else AuditAct.RESUMED
        facts = {"why": why} if why else {}
        with state.index.lock:
            rows = [
                state.epochs.rebound(row, replace(row.artifact, state=to), replace(row.notes, why=why))
                for row in state.holdings.named(artifacts)
            ]
            with state.ledger.transaction() as chain:
                for row in rows:
                    state.holdings.update(row)
                    chain.append(state.ledger.record(act, artifact=row.artifact, caller=caller, facts=facts))
            state.holdings.committed(*rows)
            for row in rows:
                if to is ArtifactState.SUSPENDED:
                    state.holdings.end_readers(row.artifact.artifact_id, suspended(row.artifact, why))

    def _changed(self, policy: VaultPolicy | VerifiedPolicy, caller: Caller) -> VaultPolicy:
        in_force = self._access.policy
        match policy:
            case VerifiedPolicy(policy=new):
                if new.tenant != self._state.tenant:
                    raise PolicyInvalid(f"the policy is for tenant {new.tenant!r:.80}, not for {self._state.tenant!r}")
                if new.version < in_force.version or (new.version == in_force.version and new != in_force):
                    raise PolicyRolledBack(new.version, in_force.version)
                return new
            case VaultPolicy():
                if in_force != DENY_ALL or caller is not OWNER:
                    in_force.check_change(policy, caller)
                return policy
