"""Devices that nothing vouches for: a tenant's policy must say that it takes such. Also those behind a bridge of software."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hallmark_client import Client
from hallmark_client.device.life import EnrolmentRefused, KeyPlace, SoftwareAttester
from hallmark_client.device.roots.bridge import BridgeRoot
from hallmark_client.device.roots.bridge_attester import BridgeAttester
from rpc.device.test_life import is_usable
from rpc.device.world import Place, grant, put, until
from support.bridges import served_reference
from support.service import RunningService, running_service

ALLOW = b'name = "devices in software"\n\n[software]\nallow = true\n'


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service of its own: policies are for all tests of a tenant."""
    with running_service(tmp_path_factory.mktemp("software")) as service:
        yield service


@pytest.fixture
def admin(strict: RunningService) -> Iterator[Client]:
    """Of a service that takes no software."""
    with strict.client() as client:
        client.policies.activate(client.policies.set(b'name = "no software"\n').policy.name)
        yield client


def lives(place: Place, admin: Client) -> None:
    """From enrolment to a signed receipt."""
    with place.enrol() as device:
        assert str(admin.devices.get(device.name).device_class) == "SOFTWARE"
        digest = put(device)
        device.start()
        consent = grant(admin, device, digest)
        until(lambda: is_usable(device), device.status)
        (asked,) = admin.consents.withdraw(consent).removals
        until(lambda: str(admin.removals.get(asked).grade) == "A1", device.status)
        device.renew()


def test_it_enrols_where_the_policy_takes_software_and_is_called_so(strict, admin, tmp_path: Path) -> None:
    place = Place(strict, tmp_path / "vault", attester=SoftwareAttester(model="test bench"))
    with pytest.raises(EnrolmentRefused) as refused:
        place.enrol()
    assert refused.value.reasons == ("LEVEL_NOT_ALLOWED",)
    admin.policies.activate(admin.policies.set(ALLOW).policy.name)
    lives(place, admin)
    with place.open() as again:
        assert again.facts().key_place is KeyPlace.VAULT


def test_the_key_of_a_bridge_stays_with_it(strict, admin, tmp_path: Path) -> None:
    admin.policies.activate(admin.policies.set(ALLOW).policy.name)
    with served_reference(tmp_path) as socket:
        bridge = BridgeRoot(socket)
        place = Place(strict, tmp_path / "vault", root=bridge, attester=BridgeAttester(bridge))
        lives(place, admin)
        with place.open() as again:
            assert again.facts().key_place is KeyPlace.ATTESTER
