"""An artifact, callers, roots and counts, for tests of policies."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType

from hallmark_client.device.model import Artifact, ArtifactState, Caller, Enforcement
from hallmark_client.device.policy import Operation, VaultPolicy
from hallmark_client.device.roots.port import RootFacts, RootPower
from hallmark_client.model.consents import ArtifactKind

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
APP = "com.example.assistant"
SELF_NAMED = Caller(application=APP)
PROVED = Caller(application=APP, proved=True)
STRANGER = Caller(application="com.example.other", proved=True)
EVERYTHING = tuple(sorted(Operation))


def artifact(**others) -> Artifact:
    told = {
        "artifact_id": "0123456789abcdef" * 2,
        "name": "assistant/base",
        "kind": ArtifactKind.MODEL_WEIGHTS,
        "version": 3,
        "tenant": "default",
        "digest": "ab" * 32,
        "size": 1_000,
        "epoch": 1,
        "state": ArtifactState.AVAILABLE,
        "needs_permission": False,
        "created_at": NOW,
    }
    return Artifact(**{**told, **others})


def root(**powers: Enforcement) -> RootFacts:
    """With the powers named, such as max_uses=Enforcement.HARDWARE."""
    told = {RootPower(name.replace("_", "-")): by for name, by in powers.items()}
    return RootFacts(name="memory", assurance=Enforcement.ADVISORY, powers=told, detail="", caveats=())


NO_POWERS = root()
CHIP = root(max_uses=Enforcement.HARDWARE, not_after=Enforcement.HARDWARE)


@dataclass(frozen=True)
class Counted:
    """Uses by window; None: ever."""

    by_window: Mapping[int | None, int] = field(default_factory=lambda: MappingProxyType({}))

    def spent(self, artifact_id: str, window_seconds: int | None, now: datetime) -> int:
        return self.by_window.get(window_seconds, 0)


def ask(policy: VaultPolicy, caller: Caller = SELF_NAMED, **others):
    """The arguments of effective() and check() that a test does not name."""
    told = {"operation": Operation.GET, "root": NO_POWERS, "uses": Counted(), "now": NOW}
    found = others.pop("artifact", None) or artifact()
    method = policy.check if others.pop("check", False) else policy.effective
    return method(found, caller, **{**told, **others})
