import pytest

from hallmark_client.device.errors import ArtifactSuspended
from hallmark_client.device.life.fates import MODEL_LABEL, Told
from hallmark_client.device.life.permissions import LeasePermissions
from hallmark_client.watch.decisions import NotGranted, Use
from hallmark_events.lease import Allowed, Shred, Suspended, Why
from unit.hallmark_client.device.life.conftest import NOW, artifact


class Asked:
    """Permissions over one decision; counts who is to be shredded."""

    def __init__(self, decision, told: Told | None = None) -> None:
        self.shredded = 0
        self.permissions = LeasePermissions(
            lambda subject: Use(subject=subject, lease="", decision=decision),
            lambda: told or Told(),
            on_shred=self._shred,
        )

    def _shred(self) -> None:
        self.shredded += 1

    def why(self, found=None) -> str:
        with pytest.raises(ArtifactSuspended) as refused:
            self.permissions.check(found or artifact())
        return refused.value.metadata["why"]


def test_a_lease_that_runs_allows() -> None:
    Asked(Allowed(until=NOW)).permissions.check(artifact())


def test_without_a_lease_only_what_needs_none() -> None:
    asked = Asked(NotGranted())
    asked.permissions.check(artifact(needs_permission=False))
    assert asked.why() == "not granted"


@pytest.mark.parametrize("why", list(Why))
def test_every_reason_is_told(why) -> None:
    assert Asked(Suspended(why)).why() == why.value
    asked = Asked(Shred(why))
    assert asked.why() == why.value
    assert asked.shredded == 1


def test_a_command_a_minimum_and_a_block_come_before_any_lease() -> None:
    allowed = Allowed(until=NOW)
    assert Asked(allowed, Told(doomed={artifact().subject})).why() == "deleting"
    old = artifact(version=1, labels={MODEL_LABEL: "tenants/default/models/m"})
    assert Asked(allowed, Told(minimums={"tenants/default/models/m": 2})).why(old) == "superseded"
    assert Asked(allowed, Told(blocked="DEVICE_REVOKED")).why() == "DEVICE_REVOKED"
    assert Asked(NotGranted(), Told(blocked="DEVICE_REVOKED")).why(artifact(needs_permission=False)) == "DEVICE_REVOKED"
