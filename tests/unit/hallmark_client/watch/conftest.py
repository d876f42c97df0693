"""A world with one watched device in it, and short words for what is told."""

from datetime import timedelta

import pytest

from hallmark_client.testing.watching import NAME, EventWorld, WatchedDevice
from hallmark_events import types
from hallmark_events.canonical import format_time
from hallmark_events.types import StatusValue

ARTIFACT = "artifacts/" + "a" * 64
CONSENT = "consents/0b8f5b0e-0000-4000-8000-000000000001"


class Story(EventWorld):
    """What tests tell, in one line each."""

    def lease(self, name: str = "one", *, days: float = 1, **members) -> str:
        """For ARTIFACT under CONSENT: a day long, an hour of silence, shredded at its end."""
        parent = self.state.parent
        lease = {
            "lease": f"{parent}/leases/{name}",
            "consent": f"{parent}/{CONSENT}",
            "device": f"{parent}/devices/{NAME}",
            "artifact": f"{parent}/{ARTIFACT}",
            "kind": "model",
            "not_before": format_time(self.now),
            "expires_at": format_time(self.now + timedelta(days=days)),
            "max_staleness_seconds": 3600,
            "offline_grace_seconds": 0,
            "on_silence": "suspend",
            "on_expiry": "shred",
            **members,
        }
        return self.events.grant_leases(NAME, [lease])[0]

    def withdraw(self) -> str:
        own = {"consent_status": "https://w3id.org/dpv#ConsentWithdrawn"}
        return self.events.tell(types.CONSENT_STATUS_CHANGE, CONSENT, device=NAME, own=own)

    def artifact(self, status: StatusValue, name: str = ARTIFACT, **more) -> str:
        uri = types.ARTIFACT_REVOKED if status is StatusValue.INVALID else types.ARTIFACT_STATUS_CHANGE
        return self.events.tell(uri, name, status, **more)


@pytest.fixture
def world() -> Story:
    return Story()


@pytest.fixture
def device(world: Story) -> WatchedDevice:
    return WatchedDevice(world)


@pytest.fixture
def artifact() -> str:
    return ARTIFACT
