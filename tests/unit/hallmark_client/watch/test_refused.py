"""A device that hears from a refusal that it was revoked."""

import grpc
import pytest

from hallmark_client.testing import refusal
from hallmark_client.testing.watching import NAME, WatchedDevice
from hallmark_client.watch import Feed, Rung, Status
from hallmark_client.watch.refused import REFUSED
from hallmark_events import types
from hallmark_events.types import StatusValue


@pytest.fixture
def own(world) -> str:
    return f"{world.state.parent}/devices/{NAME}"


@pytest.fixture
def device(world) -> WatchedDevice:
    """It knows who it is."""
    return WatchedDevice(world, settings={"device": NAME})


def refuse(world, reason: str = "DEVICE_REVOKED") -> None:
    world.refusal = refusal(grpc.StatusCode.PERMISSION_DENIED, reason, "no")


def test_it_holds_and_is_told_once(world, device, own) -> None:
    device.advance(1)
    world.files.publish()
    refuse(world)
    device.advance(5)
    assert device.core.ladder.rung is Rung.FILES
    assert device.core.status().status is Status.VALID, "the files are current; they tell of no single device"
    device.advance(3_600)
    assert device.core.held.status_of(own) is StatusValue.INVALID
    assert [(type(each).__name__, each.subject, each.jti, each.reason) for each in device.told] == [
        ("Revoked", own, REFUSED, "DEVICE_REVOKED")
    ]


def test_it_is_stored_before_it_is_told(world, device, own) -> None:
    device.advance(1)
    seen = []
    device.on_change = lambda _change: seen.append(device.store.load(world.state.parent).states[Feed.DEVICE].kept)
    refuse(world)
    device.advance(5)
    assert [list(kept) for kept in seen] == [[own]]
    device.crash()
    world.refusal = None
    assert device.core.held.status_of(own) is StatusValue.INVALID


def test_the_event_that_comes_late_takes_its_place(world, device, own) -> None:
    device.advance(1)
    refuse(world)
    device.advance(5)
    world.refusal = None
    jti = world.events.tell(types.CREDENTIAL_CHANGE, f"devices/{NAME}", StatusValue.INVALID, device=NAME)
    device.advance(120)
    assert device.core.held.get(own).jti == jti
    device.reboot()
    device.advance(120)
    assert device.core.held.status_of(own) is StatusValue.INVALID
    assert device.core.status().status is Status.VALID, "what the feed told agrees with its digest all the same"


def test_a_device_that_was_never_let_in(world, device, own) -> None:
    """Nothing is stored of a feed that was never whole: it is refused again after a restart."""
    refuse(world)
    device.advance(5)
    assert device.core.held.status_of(own) is StatusValue.INVALID
    device.crash()
    assert device.core.held.status_of(own) is None
    device.advance(5)
    assert device.core.held.status_of(own) is StatusValue.INVALID


@pytest.mark.parametrize("reason", ["PERMISSION_DENIED", "TENANT_SUSPENDED"])
def test_other_refusals_end_nothing(world, device, own, reason) -> None:
    device.advance(1)
    refuse(world, reason)
    device.advance(60)
    assert device.core.held.status_of(own) is None
    assert not device.told
