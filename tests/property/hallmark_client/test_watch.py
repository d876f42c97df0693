"""Whatever is lost, doubled, reordered, forged, restarted, restored or put back: a watcher never permits again what it
knew to be taken back, is never ahead of the service's time, and ends where the service is.
"""

from collections.abc import Callable
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from hallmark.v1 import events_pb2
from hallmark_client.testing.event_model import GLOBAL
from hallmark_client.testing.watching import NAME, EventWorld, PowerCut, WatchedDevice
from hallmark_client.watch import Change, Feed, MemoryStore, Rung, Status
from hallmark_client.watch.held import Writing
from hallmark_events import types
from hallmark_events.canonical import format_time
from hallmark_events.lease import Allowed
from hallmark_events.types import StatusValue

ARTIFACTS = [f"artifacts/{number:064x}" for number in range(4)]
CONSENTS = [f"consents/{number}" for number in range(2)]
LEASES = [f"leases/{number}" for number in range(3)]
FEEDS = {Feed.GLOBAL: GLOBAL, Feed.DEVICE: f"devices/{NAME}"}
DAY = 86_400
LOST_BY_A_REBOOT = timedelta(seconds=1000)
"""What a device can forget of the time when it goes off: how often the clock is stored, and how long it was off."""

Frames = list[events_pb2.WatchEventsResponse]
indexes = st.integers(0, 5)


class FragileStore(MemoryStore):
    """The power goes at the n-th save from now, before it or after it."""

    def __init__(self) -> None:
        super().__init__()
        self.cut: tuple[int, bool] | None = None

    def save(self, writing: Writing) -> None:
        if self.cut is None:
            super().save(writing)
            return
        left, is_after = self.cut
        if left > 0:
            self.cut = left - 1, is_after
            super().save(writing)
            return
        self.cut = None
        if is_after:
            super().save(writing)
        raise PowerCut


def drop(at: int, frames: Frames) -> Frames:
    return frames[:at] + frames[at + 1 :]


def double(at: int, frames: Frames) -> Frames:
    return frames[: at + 1] + frames[at:]


def swap(at: int, frames: Frames) -> Frames:
    return frames[:at] + frames[at : at + 2][::-1] + frames[at + 2 :]


def reverse(_: int, frames: Frames) -> Frames:
    return frames[::-1]


def end(at: int, frames: Frames) -> Frames:
    return frames[:at]


def forge(at: int, frames: Frames) -> Frames:
    for frame in frames[at : at + 1]:
        if frame.HasField("event"):
            frame.event.signature.signature = bytes(3373)
            frame.event.batch.leaf_index += 1
        elif frame.HasField("bookmark"):
            frame.bookmark.sequence += 1
        elif frame.HasField("heartbeat"):
            frame.heartbeat.payload = frame.heartbeat.payload.replace(b"2026", b"2036")
        elif frame.HasField("intent"):
            frame.intent.epoch = bytes(16)
    return frames


def counterfeit(at: int, frames: Frames) -> Frames:
    """Says VALID where the service said INVALID, under its signature."""
    for frame in frames:
        if frame.HasField("event"):
            frame.event.set = frame.event.set.replace(b'"status":"INVALID"', b'"status":"VALID"')
    return frames


class WatchMachine(RuleBasedStateMachine):
    @initialize(begin_with=st.sampled_from(Rung), max_events=st.sampled_from([1, 3, 100]), is_settled=st.booleans())
    def begin(self, begin_with: Rung, max_events: int, is_settled: bool) -> None:
        self.world = EventWorld()
        self.store = FragileStore()
        self.restricted: dict[tuple[Feed, str], tuple[str, StatusValue]] = {}
        self.ended: set[str] = set()
        self.reboots = 0
        self.backup = self.world.events.backup()
        self.replayed: list[Frames] = []
        self.indexes = {name: self.world.files.allocate() for name in LEASES}
        self.device = WatchedDevice(
            self.world,
            store=self.store,
            on_change=self._told,
            settings={"begin_with": begin_with, "max_events": max_events, "heartbeat": timedelta(minutes=5)},
        )
        self.world.files.publish()
        self.cut_in_callback = False
        if is_settled:
            self.device.advance(1)

    def _told(self, change: Change) -> None:
        """From here on the program has acted on it. Before a feed was whole once, nothing of it permits anything."""
        was_whole = self.device.core.held.feeds[change.feed].place is not None
        if was_whole and change.after in {StatusValue.INVALID, StatusValue.SUSPENDED}:
            self.restricted[change.feed, change.subject] = change.jti, change.after
        if self.cut_in_callback:
            self.cut_in_callback = False
            raise PowerCut

    def _tell(self, feed: Feed, subject: str, status: StatusValue, uri: str) -> None:
        self.world.now += timedelta(milliseconds=2)
        device = NAME if feed is Feed.DEVICE else None
        if not self.world.events.is_ended(f"tenants/default/{subject}", device):
            self.world.events.tell(uri, subject, status, device=device)

    # What the service does.

    @rule(name=st.sampled_from(ARTIFACTS), status=st.sampled_from(StatusValue))
    def tell_artifact(self, name: str, status: StatusValue) -> None:
        uri = types.ARTIFACT_REVOKED if status is StatusValue.INVALID else types.ARTIFACT_STATUS_CHANGE
        self._tell(Feed.GLOBAL, name, status, uri)

    @rule(name=st.sampled_from(CONSENTS), status=st.sampled_from(StatusValue))
    def tell_consent(self, name: str, status: StatusValue) -> None:
        self._tell(Feed.DEVICE, name, status, types.CONSENT_STATUS_CHANGE)

    @rule(place=st.integers(0, len(LEASES) - 1), hours=st.integers(1, 30))
    def grant(self, place: int, hours: int) -> None:
        world, name = self.world, LEASES[place]
        world.now += timedelta(milliseconds=2)
        parent = world.state.parent
        lease = {
            "lease": f"{parent}/{name}",
            "consent": f"{parent}/{CONSENTS[place % 2]}",
            "device": f"{parent}/devices/{NAME}",
            "artifact": f"{parent}/{ARTIFACTS[place]}",
            "kind": "model",
            "not_before": format_time(world.now),
            "expires_at": format_time(world.now + timedelta(hours=hours)),
            "max_staleness_seconds": 3600,
            "offline_grace_seconds": 1800,
            "removal_seconds": DAY,
            "on_silence": "suspend",
            "on_expiry": "shred",
            "status_list": self.indexes[name],
        }
        world.events.grant_leases(NAME, [lease])

    @rule(place=st.integers(0, len(LEASES) - 1))
    def end_lease_in_the_lists(self, place: int) -> None:
        self.world.files.set_status(self.indexes[LEASES[place]]["idx"], StatusValue.INVALID)
        self.publish()

    @rule(place=st.integers(0, len(LEASES) - 1))
    def restore_the_lists(self, place: int) -> None:
        """A backup knows nothing of the end."""
        self.world.files.set_status(self.indexes[LEASES[place]]["idx"], StatusValue.VALID)
        self.publish()

    @rule()
    def publish(self) -> None:
        self.world.now += timedelta(seconds=1)
        self.world.files.publish()

    @rule()
    def take_backup(self) -> None:
        self.backup = self.world.events.backup()

    @rule(from_backup=st.booleans())
    def fail_over(self, from_backup: bool) -> None:
        """To a replica that knows everything, or to a server restored from a backup that does not."""
        self.world.events.replace_history(self.backup if from_backup else None)

    @rule()
    def restart_server(self) -> None:
        self.world.generation += 1

    # What the network does.

    @rule(
        how=st.sampled_from([drop, double, swap, reverse, end, forge, counterfeit]), at=indexes, times=st.integers(1, 3)
    )
    def spoil(self, how: Callable[[int, Frames], Frames], at: int, times: int) -> None:
        left = [times]

        def spoiled(frames: Frames) -> Frames:
            if not left[0]:
                return frames
            left[0] -= 1
            return how(at, frames)

        self.world.spoil = spoiled

    @rule()
    def replay_an_old_answer(self) -> None:
        """What was sent to this device before is sent again, in place of the next answer."""
        self.world.spoil = lambda frames: self.replayed.pop() if self.replayed else self._remember(frames)

    def _remember(self, frames: Frames) -> Frames:
        self.replayed.append([events_pb2.WatchEventsResponse.FromString(one.SerializeToString()) for one in frames])
        return frames

    @rule(api=st.booleans(), cdn=st.booleans())
    def reach(self, api: bool, cdn: bool) -> None:
        self.world.api, self.world.cdn = api, cdn

    @rule(is_stale=st.booleans())
    def cache(self, is_stale: bool) -> None:
        self.world.cached = dict(self.world.files.files) if is_stale else None

    # What the device does.

    @rule(seconds=st.sampled_from([0.5, 5, 60, 900, 7200]))
    def advance(self, seconds: float) -> None:
        self.device.advance(seconds)

    @rule()
    def crash(self) -> None:
        self.device.crash()

    @rule(saves=st.integers(0, 3), is_after=st.booleans())
    def lose_power_while_writing(self, saves: int, is_after: bool) -> None:
        self.store.cut = saves, is_after

    @rule()
    def lose_power_in_the_callback(self) -> None:
        self.cut_in_callback = True

    @rule(days=st.floats(-400, 400))
    def reboot(self, days: float) -> None:
        self.reboots += 1
        self.device.reboot(rtc=timedelta(days=days))

    @rule(days=st.floats(-400, 400))
    def set_clock(self, days: float) -> None:
        self.device.rtc = timedelta(days=days)

    # What always holds.

    @invariant()
    def nothing_is_permitted_again(self) -> None:
        for (feed, subject), (jti, status) in list(self.restricted.items()):
            entry = self.device.core.held.feeds[feed].state.get(subject)
            assert entry is not None, f"{subject} was {status.name} and is forgotten"
            if status is StatusValue.INVALID:
                assert entry.status is StatusValue.INVALID, f"{subject} is {entry.status.name} again"
            elif entry.status is StatusValue.VALID:
                assert entry.jti > jti, f"{subject} is VALID by an event that came before its suspension"
                del self.restricted[feed, subject]  # a server restored from a backup may never have heard of it
        for feed, held in self.device.core.held.feeds.items():
            for subject in held.state.subjects():
                entry = held.state.get(subject)
                if entry.status is not StatusValue.VALID and held.place is not None:
                    self.restricted[feed, subject] = entry.jti, entry.status

    @invariant()
    def ended_leases_stay_ended(self) -> None:
        listed = self.device.core.held.lists.listed
        now = {subject for subject, status in listed.items() if status is StatusValue.INVALID}
        assert self.ended <= now
        self.ended = now

    @invariant()
    def time_is_never_ahead_of_the_service(self) -> None:
        clock = self.device.core.held.clock.trusted
        assert clock.at(self.device.clock.read()).proven <= self.world.now
        assert clock.fresh_at is None or clock.fresh_at <= self.world.now

    @invariant()
    def what_is_allowed_has_a_lease_that_runs(self) -> None:
        for name in LEASES:
            use = self.device.decision(name)
            if isinstance(use.decision, Allowed):
                assert self.world.now < use.decision.until + self.reboots * LOST_BY_A_REBOOT + timedelta(hours=2)
                held = self.device.core.held
                lease = held.feeds[Feed.DEVICE].state.get(use.lease)
                for thing in ("lease", "consent", "artifact"):
                    assert held.status_of(lease.own[thing]) in {None, StatusValue.VALID}

    def teardown(self) -> None:
        if not hasattr(self, "device"):
            return
        world, device = self.world, self.device
        world.api = world.cdn = True
        world.spoil, world.cached, self.store.cut, self.cut_in_callback = lambda frames: frames, None, None, False
        world.files.publish()
        if device.settings["begin_with"] is Rung.FILES:
            device.settings = {**device.settings, "begin_with": Rung.POLL}
            device.crash()
        device.advance(3 * 3600)
        status = device.core.status()
        assert status.status is Status.VALID, status
        told = {(change.feed, change.subject) for change in device.told if change.after is StatusValue.INVALID}
        heard = {change.jti for change in device.told}
        for feed, name in FEEDS.items():
            state, newest = device.core.held.feeds[feed].state, world.events.feeds.feed(name).newest
            assert {subject: entry.jti for subject, entry in state.mirror.items()} == {
                subject: event.read.jti for subject, (_, event) in newest.items()
            }
            assert all(kept.entry.status is not StatusValue.VALID for kept in state.kept.values())
            for subject, (_, event) in newest.items():
                assert subject in state.kept or state.status_of(subject) is event.read.status
                assert subject in state.kept or event.read.jti in heard, f"nobody was told of the newest of {subject}"
                if event.read.status is StatusValue.INVALID:
                    assert (feed, subject) in told, f"{subject} was taken back and nobody was told"
        self.nothing_is_permitted_again()
        assert not device.core.held.pending


TestWatch = WatchMachine.TestCase
TestWatch.settings = settings(max_examples=20, stateful_step_count=30, deadline=None)
