"""What was told goes on to count while nothing runs: by the file, and by clocks that can not be set back."""

from datetime import timedelta

import pytest

from hallmark_client.device.life.feeds import FILE, Feeds, FeedSettings
from hallmark_client.system import System
from hallmark_client.testing.watching import NAME, WatchedDevice
from hallmark_client.watch import SqliteStore
from hallmark_events.lease import Allowed, Shred, Suspended, Why
from unit.hallmark_client.watch.conftest import ARTIFACT, Story


class Rest:
    """A phone that was online, and is not any more."""

    def __init__(self, folder, *, withdrawn: bool = False) -> None:
        self.folder, self.world = folder, Story()
        store = SqliteStore(folder / FILE)
        self.phone = WatchedDevice(self.world, store=store)
        self.world.lease()
        self.phone.advance(40)
        if withdrawn:
            self.world.withdraw()
            self.phone.advance(40)
        store.close()

    def feeds(self) -> Feeds:
        return Feeds(
            self.folder,
            parent=self.world.state.parent,
            device_id=NAME,
            system=System(),
            clock=self.phone.clock,
            settings=FeedSettings(),
        )

    def decision(self, feeds: Feeds):
        return feeds.decision(f"{self.world.state.parent}/{ARTIFACT}").decision


@pytest.fixture
def rest(tmp_path) -> Rest:
    return Rest(tmp_path)


def test_what_is_stored_counts_at_once(rest) -> None:
    feeds = rest.feeds()
    assert isinstance(rest.decision(feeds), Allowed)
    assert feeds.status() is None
    assert feeds.snapshot().get(f"{rest.world.state.parent}/leases/one")


def test_a_withdrawal_that_was_heard_stays_heard(tmp_path) -> None:
    rest = Rest(tmp_path, withdrawn=True)
    assert rest.decision(rest.feeds()) == Shred(Why.WITHDRAWN)


def test_silence_ends_it_by_the_boot_clock(rest) -> None:
    feeds = rest.feeds()
    rest.world.now += timedelta(hours=1)
    rest.phone.rtc = timedelta(days=-3)
    assert rest.decision(feeds) == Suspended(Why.SILENT)


def test_time_that_passed_at_rest_is_not_taken_back_by_a_reboot(rest) -> None:
    feeds = rest.feeds()
    rest.world.now += timedelta(minutes=50)
    assert isinstance(rest.decision(feeds), Allowed)
    feeds.tick()
    rest.world.now += timedelta(seconds=20)
    rest.phone.booted_at, rest.phone.boot = rest.world.now, 1
    rest.phone.rtc = timedelta(minutes=-50)
    again = rest.feeds()
    assert rest.decision(again) == Suspended(Why.CLOCK_UNKNOWN)
    rest.phone.rtc = timedelta()
    assert isinstance(rest.decision(again), Allowed)
    rest.world.now += timedelta(minutes=10)
    assert rest.decision(again) == Suspended(Why.SILENT), "an hour in all"


def test_its_file_is_free_for_a_watcher(rest) -> None:
    feeds = rest.feeds()
    SqliteStore(rest.folder / FILE).close()
    feeds.tick()
    SqliteStore(rest.folder / FILE).close()
    feeds.stop()
    assert feeds.now()[1].boot_id == "boot-0"
