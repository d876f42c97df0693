"""Where the demonstration of two replicas plays: a database, two servers over it, a balancer in front."""

import dataclasses
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kms.cli.child import ServerProcess, as_toml
from kms.cli.demo.balancer import Balancer
from kms.cli.demo.private_postgresql import PrivatePostgresql
from kms.cli.demo.replicas_callers import Follower, SteadyBackend
from kms.cli.demo.replicas_findings import ReplicaFindings
from kms.cli.output import write_file

if TYPE_CHECKING:
    from hallmark_client.client import Client
    from hallmark_client.model.capabilities import LogIdentity
    from hallmark_client.model.keys import Key
    from hallmark_client.model.log import Checkpoint
    from hallmark_client.profile import Profile

ORIGIN: Final = "hallmark.example/replicas"
_SHARED: Final = ("tls", "clients")
"""Folders of the first home that a second replica needs copies of; the token is shared, as a network HSM is."""


@dataclass(slots=True)
class ReplicasStage:
    """Attributes without a value are set by the step that makes them."""

    folder: Path
    database: PrivatePostgresql
    servers: tuple[ServerProcess, ...]
    findings: ReplicaFindings = field(default_factory=ReplicaFindings)
    balancer: Balancer = field(init=False)
    log: "LogIdentity" = field(init=False)
    key: "Key" = field(init=False)
    before_kill: "Checkpoint" = field(init=False)
    backends: list[SteadyBackend] = field(default_factory=list)
    followers: list[Follower] = field(default_factory=list)
    _clients: list["Client"] = field(default_factory=list)

    @property
    def public(self) -> Path:
        """The public files: every replica writes the same ones, as on a shared volume."""
        return self.folder / "public"

    @property
    def log_file(self) -> Path:
        return self.servers[0].log_file

    def prepare_second(self) -> None:
        """What an operator gives to every further replica: certificates, profiles, the way to the token."""
        first, *others = (server.home for server in self.servers)
        for home in others:
            home.mkdir(mode=0o700)
            for name in _SHARED:
                shutil.copytree(first / name, home / name)
            (home / "hsm").symlink_to(first / "hsm")

    def at(self, number: int, role: str, *, timeout_seconds: float = 30.0) -> "Client":
        """A client of one replica."""
        from hallmark_client.profile import Profile

        return self._client(Profile.load(self.servers[number].home / "clients" / role), timeout_seconds)

    def balanced(self, role: str, *, timeout_seconds: float = 30.0) -> "Client":
        """A client of whichever replica the balancer gives it. Every client has a connection of its own."""
        from hallmark_client.profile import Profile

        profile = Profile.load(self.servers[0].home / "clients" / role)
        return self._client(dataclasses.replace(profile, address=self.balancer.address), timeout_seconds)

    def close(self) -> None:
        """Everything that `stage_in` and the steps started, the database last."""
        for follower in self.followers:
            follower.close()
        for client in self._clients:
            client.close()
        if hasattr(self, "balancer"):
            self.balancer.close()
        for server in self.servers:
            server.stop()
        self.database.stop()

    def _client(self, profile: "Profile", timeout_seconds: float) -> "Client":
        from hallmark_client.client import Client

        client = Client(profile, timeout_seconds=timeout_seconds)
        self._clients.append(client)
        return client


def stage_in(folder: Path, binaries: Path, replicas: int) -> ReplicasStage:
    """Nothing is started yet."""
    database = PrivatePostgresql(binaries)
    servers = tuple(
        ServerProcess(
            home=folder / f"replica-{number}",
            log_file=folder / f"replica-{number}.log",
            settings_file=folder / "settings.toml",
        )
        for number in range(1, replicas + 1)
    )
    return ReplicasStage(folder, database, servers)


def write_settings(stage: ReplicasStage) -> None:
    """One file for all replicas, in a folder that only its owner may enter: the database's password stands in it."""
    lines = (
        "[database]",
        f"url = {as_toml(stage.database.url)}",
        "[log]",
        f"origin = {as_toml(ORIGIN)}",
        f"public_folder = {as_toml(str(stage.public))}",
        "[hsm]",
        "signers = 1",
        "",
    )
    write_file(stage.folder / "settings.toml", "\n".join(lines).encode())
