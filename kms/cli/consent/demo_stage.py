"""What the steps of the demonstration of consent share, and what they found out."""

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from attestation.testing import VirtualVendor
from hallmark_client.client import Client
from hallmark_client.model.capabilities import LogIdentity
from hallmark_client.model.consents import Consent, Withdrawal
from hallmark_client.profile import Profile
from hallmark_composite import CompositePublicKey
from hallmark_tlog.vkey import VerifierKey, parse_vkey
from kms.cli.child import ServerProcess
from kms.cli.consent.demo_phone import Phone

CONTROLLER: Final = "https://bank.example"
PROMISE: Final = timedelta(minutes=1)
"""The shortest that the service takes."""
LEASE: Final = timedelta(seconds=50)
"""At a time. Less than the promise: a device's idea of the time is behind by what a heartbeat takes on its way."""
PATIENCE_SECONDS: Final = 30.0


@dataclass(slots=True)
class Findings:
    """Filled step by step; None is what did not happen. The names are those of `hallmark consent demo --json`."""

    attested: int | None = None
    leases_verified: int | None = None
    heard_ms: float | None = None
    shredded_ms: float | None = None
    receipt_grade: str | None = None
    receipt_ms: float | None = None
    files_say_invalid_seconds: float | None = None
    last_usable_seconds: float | None = None
    promised_seconds: float | None = None
    kept: bool | None = None
    overdue_seconds: float | None = None
    lease_refused: str | None = None
    certificate_refused: str | None = None
    stream_ended: bool | None = None
    removals: dict[str, int] | None = None
    receipts_proved: int | None = None
    log_size: int | None = None

    def to_dict(self) -> dict[str, Any]:
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def missing(self) -> list[str]:
        """What did not happen or did not hold."""
        return [name for name, value in self.to_dict().items() if not value]


@dataclass(slots=True)
class Stage:
    """Attributes without a value are set by the step that makes them."""

    home: Path
    """The server's own."""
    outside: Path
    """What others have: phones, the person's receipt, the auditor's report."""
    server: ServerProcess
    vendor: VirtualVendor
    keep: bool
    nowhere: socket.socket
    """A port that nobody listens at: what a phone without a network reaches."""
    findings: Findings = field(default_factory=Findings)
    log: LogIdentity = field(init=False)
    service_keys: Mapping[str, CompositePublicKey] = field(init=False)
    phones: dict[str, Phone] = field(default_factory=dict)
    """By letter: A hears it at once, B reads files, C is offline, D keeps silent."""
    artifacts: dict[str, str] = field(default_factory=dict)
    """Title -> resource name."""
    consent: Consent = field(init=False)
    withdrawal: Withdrawal = field(init=False)
    withdrawn_at: float = field(init=False)
    """time.monotonic() just before the call."""
    _clients: list[Client] = field(default_factory=list)

    @property
    def promised_by(self) -> datetime:
        return self.withdrawal.deadline

    @property
    def vkeys(self) -> Sequence[VerifierKey]:
        """The log's, as everybody was given them on the first day."""
        return [parse_vkey(line) for line in self.log.verifier_keys]

    @property
    def no_api(self) -> str:
        """An address that does not answer."""
        host, port = self.nowhere.getsockname()
        return f"{host}:{port}"

    def kept_file(self, title: str, file: Path) -> tuple[str, ...]:
        """The line that names a file for people, where it stays."""
        return (f"{title}: {file}",) if self.keep else ()

    def client(self, role: str) -> Client:
        """As one of the four identities that the server made on its first run."""
        return self.connect(Profile.load(self.home / "clients" / role))

    def connect(self, profile: Profile) -> Client:
        """Closed at the end."""
        client = Client(profile)
        self._clients.append(client)
        return client

    def close(self) -> None:
        for phone in self.phones.values():
            phone.close()
        for client in self._clients:
            client.close()
        self._clients.clear()
        self.nowhere.close()
