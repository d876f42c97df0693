"""Time: leases, silence, a clock that is set back, a reboot. A virtual clock moves days in milliseconds."""

from datetime import timedelta

import pytest

from hallmark_client.watch import DeviceClock, Rung, Status
from hallmark_events.lease import Allowed, Shred, Suspended, Why

HOUR = 3600


@pytest.fixture
def settled(world, device):
    """A lease of a day, and a device that has heard of it; then nobody answers any more."""
    device.settings = {"heartbeat": timedelta(minutes=5)}
    device.start()
    world.lease(max_staleness_seconds=30 * 86_400)
    device.advance(301)
    return device


def offline(world) -> None:
    world.api = world.cdn = False


def test_a_lease_ends_without_any_message(world, settled, artifact) -> None:
    offline(world)
    settled.advance(23 * HOUR)
    assert settled.decision(artifact).is_allowed
    settled.advance(HOUR)
    assert settled.decision(artifact).decision == Shred(Why.EXPIRED)


def test_silence_suspends_and_one_heartbeat_gives_it_back(world, device, artifact) -> None:
    device.settings = {"heartbeat": timedelta(minutes=5)}
    device.start()
    world.lease()
    device.advance(1)
    offline(world)
    device.advance(HOUR - 10)
    assert isinstance(device.decision(artifact).decision, Allowed)
    device.advance(20)
    assert device.decision(artifact).decision == Suspended(Why.SILENT)
    world.api = world.cdn = True
    device.advance(900)
    assert device.decision(artifact).is_allowed


def test_setting_the_clock_back_gains_nothing(world, settled, artifact) -> None:
    offline(world)
    settled.rtc = timedelta(days=-300)
    settled.advance(24 * HOUR)
    assert settled.decision(artifact).decision == Shred(Why.EXPIRED)


def test_setting_the_clock_forward_destroys_nothing(world, settled, artifact) -> None:
    settled.rtc = timedelta(days=300)
    assert settled.decision(artifact).is_allowed
    settled.reboot(rtc=timedelta(days=300))
    world.api = world.cdn = False
    settled.advance(10)
    assert settled.decision(artifact).decision == Suspended(Why.CLOCK_LATE)
    settled.reboot()
    world.api = True
    settled.advance(10)
    assert settled.decision(artifact).is_allowed


def test_after_a_reboot_a_clock_below_the_floor_suspends_until_online(world, settled, artifact) -> None:
    offline(world)
    settled.reboot(rtc=timedelta(days=-3))
    settled.advance(10)
    assert settled.decision(artifact).decision == Suspended(Why.CLOCK_UNKNOWN)
    assert "CLOCK_UNKNOWN" in settled.core.status().reasons
    assert settled.core.status().status is Status.STALE
    world.api = True
    settled.advance(600)
    assert settled.decision(artifact).is_allowed
    assert settled.core.status().status is Status.VALID


def test_after_a_reboot_a_good_clock_goes_on_offline(world, settled, artifact) -> None:
    offline(world)
    settled.reboot(off=timedelta(hours=5))
    settled.advance(10)
    assert settled.decision(artifact).is_allowed
    settled.advance(19 * HOUR)
    # Only the clock that anybody can set says that it is over: nothing is destroyed by it.
    assert settled.decision(artifact).decision == Suspended(Why.CLOCK_LATE)


def test_reboots_do_not_stretch_a_lease(world, settled, artifact) -> None:
    """Each time the clock is set back to what it was: only the seconds that the device was off are gained."""
    offline(world)
    for reboots in range(1, 25):
        settled.advance(HOUR)
        settled.reboot(rtc=timedelta(hours=-reboots))
        settled.advance(1)
    assert not settled.decision(artifact).is_allowed


def test_a_restart_of_the_program_keeps_the_time(world, settled, artifact) -> None:
    offline(world)
    settled.rtc = timedelta(days=-300)
    settled.crash()
    settled.advance(23 * HOUR)
    assert settled.decision(artifact).is_allowed
    settled.crash()
    settled.advance(HOUR)
    assert settled.decision(artifact).decision == Shred(Why.EXPIRED)


def test_heartbeats_that_are_held_back_do_not_stop_the_time(world, device, artifact) -> None:
    """Somebody between who delays every heartbeat a little more each time: at three intervals the stream is given up."""
    device.settings = {"heartbeat": timedelta(minutes=1), "begin_with": Rung.STREAM}
    device.start()
    world.lease()
    device.advance(1)
    said = world.now

    def late(frames):
        nonlocal said
        for frame in frames:
            if frame.HasField("heartbeat"):
                said += timedelta(seconds=20)
                true_time, world.now = world.now, said
                fresh = world.events.heartbeat({1: "global", 2: "devices/phone"}, nonce_of(device), 60)
                world.now = true_time
                frame.CopyFrom(fresh)
        return frames

    world.spoil = late
    for _ in range(30):
        device.advance(60)
        if "SILENT" in device.core.status().reasons:
            break
    trusted = device.core.held.clock.trusted
    assert "SILENT" in device.core.status().reasons
    assert world.now - trusted.fresh_at < timedelta(minutes=6)


def nonce_of(device) -> bytes:
    return device._stream.request.nonce


def test_status_becomes_stale_in_time(world, device) -> None:
    device.settings = {"heartbeat": timedelta(minutes=5), "stale_after": timedelta(hours=2)}
    device.start()
    assert device.core.status().status is Status.OFF
    device.advance(301)
    assert device.core.status().status is Status.VALID
    offline(world)
    device.advance(10)
    assert device.core.status().status is Status.INTERRUPTED
    assert device.core.status().reasons == ("UNREACHABLE",)
    device.advance(2 * HOUR)
    assert device.core.status().status is Status.STALE


def test_the_clocks_of_this_machine() -> None:
    clock = DeviceClock()
    first, second = clock.read(), clock.read()
    assert first.boot_id == second.boot_id
    assert first.boot_id
    assert second.boot >= first.boot > timedelta(0)
    assert second.rtc.tzinfo is not None
