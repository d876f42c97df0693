"""A device whose vault is served by an agent in this process. Everybody here is one user; rules say who is which app."""

import os
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from hallmark_client.device.agent import Agent, AgentClient, AgentLimits, PeerRule
from hallmark_client.device.errors import ArtifactSuspended
from hallmark_client.device.model import Artifact
from hallmark_client.device.policy import Callers, ConcurrentReaders, MaxUses, Operation, Rule, VaultPolicy
from hallmark_client.device.roots.memory import MemoryRoot
from hallmark_client.device.vault import Vault

EVERYTHING = tuple(sorted(Operation))
ME = {PeerRule(uid=os.geteuid()): "app"}
PATIENCE_SECONDS = 20.0


def rule_for(*applications: str, **clauses: object) -> Rule:
    return Rule(operations=EVERYTHING, callers=Callers(applications=applications), **clauses)  # type: ignore[arg-type]


POLICY = VaultPolicy(
    version=1,
    administrators=Callers(applications=("app",)),
    names={
        "app/*": rule_for("app"),
        "both/*": rule_for("app", "other"),
        "counted/*": rule_for("app", max_uses=MaxUses(uses=3)),
        "one-reader/*": rule_for("app", concurrent_readers=ConcurrentReaders(readers=1)),
        "other/*": rule_for("other"),
        "readable/*": Rule(operations=(Operation.GET, Operation.LIST), callers=Callers(applications=("app",))),
    },
)


class Leases:
    """`Permissions`. ended: why what needs one may not be used."""

    def __init__(self) -> None:
        self.ended = ""

    def check(self, artifact: Artifact) -> None:
        if artifact.needs_permission and self.ended:
            raise ArtifactSuspended("ARTIFACT_SUSPENDED", self.ended, metadata={"why": self.ended})


class AgentWorld:
    """A folder, a vault in it, an agent before it that can be stopped and started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = MemoryRoot()
        self.leases = Leases()
        self.vault = Vault.open(folder / "vault", self.root, policy=POLICY, permissions=self.leases)
        self._short = tempfile.TemporaryDirectory(prefix="agent-")  # a socket's path has at most 107 bytes
        self.socket = Path(self._short.name) / "run" / "agent.sock"
        self.agent: Agent | None = None
        self.clients: list[AgentClient] = []

    def start(
        self, *, applications: Mapping[PeerRule, str] = ME, limits: AgentLimits | None = None, folder_mode: int = 0o700
    ) -> Agent:
        self.agent = Agent(self.vault, self.socket, applications, limits=limits, folder_mode=folder_mode)
        self.agent.start()
        return self.agent

    def stop(self) -> None:
        if self.agent is not None:
            self.agent.stop()
            self.agent = None

    def client(self, *, seconds: float = PATIENCE_SECONDS) -> AgentClient:
        if self.agent is None:
            self.start()
        client = AgentClient(self.socket, seconds=seconds)
        self.clients.append(client)
        return client

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.stop()
        self.vault.close()
        self._short.cleanup()


def wait_until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)
