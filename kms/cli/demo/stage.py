"""What the steps of the demonstration share: folders, the server, who talks to it, and what was made on the way."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from kms.cli.child import ServerProcess
from kms.cli.demo.findings import Findings
from kms.cli.failure import CommandError, ExitCode

if TYPE_CHECKING:
    from attestation.testing import VirtualPhone
    from hallmark_client.client import Client
    from hallmark_client.model.capabilities import LogIdentity
    from hallmark_client.model.keys import Key, Signature
    from kms.cli.demo.ota_stage import OtaStage
    from kms.cli.demo.watcher import Watcher

KEY_ID = "demo"


class DemoFailed(CommandError):
    """A step did not show what it is there to show."""

    def __init__(self, problem: str) -> None:
        super().__init__("DEMO_FAILED", problem, exit_code=ExitCode.NOT_SO)


def hold(condition: object, problem: str) -> None:
    """Raises DemoFailed unless it is so."""
    if not condition:
        raise DemoFailed(problem)


@dataclass(frozen=True, slots=True)
class Subject:
    """The folder that is signed, and what of it is left out."""

    folder: Path
    exclude: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Genuine:
    """Evidence of a real device, and when and for which challenge it was made."""

    file: Path
    at: datetime
    challenge: bytes


@dataclass(slots=True)
class Stage:
    """Attributes without a value are set by the step that makes them."""

    home: Path
    """The server's own."""
    outside: Path
    """What others are given: public material only."""
    subject: Subject
    server: ServerProcess
    phone: "VirtualPhone"
    ota: "OtaStage"
    genuine: Genuine | None
    findings: Findings = field(default_factory=Findings)
    log: "LogIdentity" = field(init=False)
    key: "Key" = field(init=False)
    first: "Signature" = field(init=False)
    """Signature of the manifest by version 1."""
    device_name: str = field(init=False)
    watcher: "Watcher" = field(init=False)
    _clients: dict[str, "Client"] = field(default_factory=dict)

    @property
    def manifest(self) -> Path:
        return self.outside / "manifest.json"

    @property
    def public_key(self) -> Path:
        """Of version 1."""
        return self.outside / "key.pem"

    @property
    def vkeys(self) -> Path:
        return self.outside / "log.vkey"

    @property
    def early_checkpoint(self) -> Path:
        return self.outside / "last.checkpoint"

    def client(self, role: str) -> "Client":
        """As one of the four identities that the server made on its first run."""
        if role not in self._clients:
            self._clients[role] = self.new_client(role)
        return self._clients[role]

    def new_client(self, role: str, *, timeout_seconds: float = 30.0) -> "Client":
        from hallmark_client.client import Client
        from hallmark_client.profile import Profile

        return Client(Profile.load(self.home / "clients" / role), timeout_seconds=timeout_seconds)

    def state(self) -> Mapping[str, object]:
        """What must outlive any crash, as the server tells it."""
        auditor = self.client("auditor")
        return {
            # A signature made at the moment of the kill counts as a use, whether its answer arrived or not.
            "keys": [{**key.to_dict(), "use_count": None} for key in auditor.keys.list()],
            "revocations": [event.to_dict() for event in auditor.revocations.list()],
            "devices": [device.to_dict() for device in auditor.devices.list()],
            "releases": [release.to_dict() for release in auditor.releases.list()],
            "removals": [removal.to_dict() for removal in auditor.removals.list()],
        }

    def close(self) -> None:
        self.ota.close()
        for client in self._clients.values():
            client.close()
        self._clients.clear()
