"""The old policy, as rules of the vault (hallmark_client.device.policy), which asks them at every get.

What no rule names stays open to the program that has the vault, and to nobody else: that is what the old API promises.
The vault's own policies deny by default, name callers that the operating system proves, and can be signed.
"""

from dataclasses import dataclass, field
from typing import Final

from hallmark_client.device.model import Artifact, Caller
from hallmark_client.device.policy import Callers, MaxUses, Operation, Rule, UserPresent, VaultPolicy

from .artifact import ArtifactKind, ArtifactMetadata
from .errors import PolicyViolationError

PROGRAM: Final = Caller(application="pqc-enclave-sdk")
"""The program that has the vault, where no bundle is named."""
_HOUR: Final = 3_600
_ALL: Final = tuple(sorted(Operation))
_OF_PROGRAM: Final = Callers(applications=(PROGRAM.application,))


@dataclass
class ArtifactPolicy:
    """allowed_bundle_ids: empty is everybody, as it was. max_uses_per_hour: 0 is no limit.

    require_biometric: the operating system has to say that the user is there, which it does through the agent
    (hallmark_client.device.agent) or a bridge; a program that says so itself is refused.
    """

    kind: ArtifactKind
    allowed_bundle_ids: frozenset[str]
    require_biometric: bool = False
    max_uses_per_hour: int = 0

    @property
    def rule(self) -> Rule:
        """Raises PolicyInvalid, such as for more than 64 bundles."""
        names = tuple(sorted(self.allowed_bundle_ids or _OF_PROGRAM.applications))
        uses = MaxUses(uses=self.max_uses_per_hour, seconds=_HOUR) if self.max_uses_per_hour else None
        return Rule(
            operations=_ALL,
            callers=Callers(applications=names),
            max_uses=uses,
            user_present=UserPresent() if self.require_biometric else None,
        )


@dataclass
class AccessPolicy:
    """At most one rule for each kind. Give it to EnclaveVault, which has the vault hold it."""

    rules: dict[ArtifactKind, ArtifactPolicy] = field(default_factory=dict)

    def add(self, rule: ArtifactPolicy) -> "AccessPolicy":
        self.rules[rule.kind] = rule
        return self

    def check(self, artifact_meta: ArtifactMetadata, caller_bundle_id: str) -> None:
        """What can be said without a vault: who may. Raises PolicyViolationError. Uses are counted by the vault."""
        rule = self.rules.get(artifact_meta.kind)
        if rule is None:
            return
        kind = artifact_meta.kind.value
        if rule.allowed_bundle_ids and caller_bundle_id not in rule.allowed_bundle_ids:
            raise PolicyViolationError(f"{caller_bundle_id!r} is none of the bundles that may read {kind}")
        if rule.require_biometric:
            raise PolicyViolationError(f"{kind} needs a user whose presence the operating system proves: use the agent")

    def in_vault(self, version: int) -> VaultPolicy:
        """version: above the one that it takes the place of."""
        kinds = {kind.in_vault.value: rule.rule for kind, rule in self.rules.items()}
        everything = Rule(operations=_ALL, callers=_OF_PROGRAM)
        return VaultPolicy(version=version, administrators=_OF_PROGRAM, kinds={**kinds, "*": everything})


def caller_for(policy: VaultPolicy, artifact: Artifact, bundle_id: str) -> Caller:
    """As whom the vault is asked: as this program where the rule is open to it, otherwise as the bundle."""
    rule = policy.rule_for(artifact)
    is_open = rule is not None and PROGRAM.application in rule.callers.applications
    return PROGRAM if is_open else Caller(application=bundle_id or "(no bundle named)")
