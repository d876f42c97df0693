"""Facts that the tests of a device's life share."""

import hashlib
from datetime import UTC, datetime

import pytest

from hallmark_client.device.errors import ArtifactUnknown
from hallmark_client.device.life.model import Command
from hallmark_client.device.model import Artifact, ArtifactState
from hallmark_client.model.consents import ArtifactKind

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DEVICE = "tenants/default/devices/0b8f5b0e-0000-4000-8000-000000000001"


def artifact(name: str = "voice", **more) -> Artifact:
    return Artifact(
        **{
            "artifact_id": hashlib.sha256(name.encode()).hexdigest()[:32],
            "name": name,
            "kind": ArtifactKind.BIOMETRIC_TEMPLATE,
            "version": 0,
            "tenant": "default",
            "digest": hashlib.sha256(name.encode()).hexdigest(),
            "size": 5,
            "epoch": 1,
            "state": ArtifactState.AVAILABLE,
            "needs_permission": True,
            "created_at": NOW,
            **more,
        }
    )


def command(number: int = 1, *, subject: str | None = None) -> Command:
    """To delete the artifact "voice"."""
    removal = f"tenants/default/removals/0199aaaa-0000-7000-8000-{number:012d}"
    return Command(
        subject=removal,
        jti=removal.rpartition("/")[2],
        own={
            "removal": removal,
            "artifact": subject or artifact().subject,
            "consent": "",
            "deadline": "2026-11-23T12:00:00.000000Z",
            "nonce": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "method": "cryptographic-erase",
            "revision": 1,
        },
    )


class Drawer(dict[str, bytes]):
    """Secrets in memory."""

    def keep_secret(self, label: str, secret: bytes) -> None:
        self[label] = bytes(secret)

    def secret(self, label: str) -> bytearray:
        if label not in self:
            raise ArtifactUnknown("ARTIFACT_UNKNOWN", label)
        return bytearray(self[label])


@pytest.fixture
def voice() -> Artifact:
    return artifact()
