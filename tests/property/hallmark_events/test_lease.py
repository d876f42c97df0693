"""A device with one lease, whose owner switches it off, sets its clock, and plays old files to it.

`true` is the service's time. The device stores what it knows after every act, as it must.
"""

from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hallmark_events.lease import Allowed, Clocks, Shred, Standing, Suspended, TrustedTime, Why, decide
from unit.hallmark_events.events_world import START
from unit.hallmark_events.test_lease import LEASE

MINUTES = st.integers(1, 300).map(lambda minutes: timedelta(minutes=minutes))
SILENCE = LEASE.max_staleness + LEASE.offline_grace


class Device(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.true = START
        self.boot = timedelta()
        self.boots = 0
        self.rtc_error = timedelta()
        self.time = TrustedTime()
        self.heard_in_this_boot = False
        self.ran_since_contact = timedelta()
        self.was_late = False
        self.was_shredded = False
        self.rtc_was_touched = False

    @property
    def clocks(self) -> Clocks:
        return Clocks(boot_id=str(self.boots), boot=self.boot, rtc=self.true + self.rtc_error)

    def store(self) -> None:
        self.time = TrustedTime.from_json(self.time.ticked(self.clocks).to_json())

    @rule(for_how_long=MINUTES)
    def it_runs(self, for_how_long) -> None:
        self.true += for_how_long
        self.boot += for_how_long
        self.ran_since_contact += for_how_long
        self.store()

    @rule(for_how_long=MINUTES)
    def it_is_off(self, for_how_long) -> None:
        self.true += for_how_long
        self.boot = timedelta()
        self.boots += 1
        self.heard_in_this_boot = False
        self.store()

    @rule(error=st.integers(-10_000, 10_000).map(lambda minutes: timedelta(minutes=minutes)))
    def somebody_sets_the_clock(self, error) -> None:
        self.rtc_error = error
        self.rtc_was_touched = True
        self.store()

    @rule()
    def it_is_online(self) -> None:
        self.time = self.time.heard(self.true, self.clocks)
        self.heard_in_this_boot = True
        self.ran_since_contact = timedelta()
        self.was_late = False
        self.store()

    @rule(age=st.integers(0, 600).map(lambda minutes: timedelta(minutes=minutes)))
    def it_reads_a_manifest_of_some_age(self, age) -> None:
        before = self.time.fresh_at
        self.time = self.time.read(self.true - age, self.clocks)
        if self.time.fresh_at != before:
            self.ran_since_contact = timedelta()
        self.store()

    @invariant()
    def nothing_is_destroyed_early_or_used_late(self) -> None:
        now = self.time.at(self.clocks)
        decision = decide(LEASE, self.time, self.clocks, Standing())
        assert now.proven <= self.true, "what is proven is true"
        if isinstance(decision, Shred):
            assert self.true >= LEASE.expires_at
            self.was_shredded = True
        if isinstance(decision, Allowed):
            assert not self.was_shredded, "the end is the end"
            assert not self.was_late, "setting a clock back gives nothing back"
            assert self.ran_since_contact < SILENCE, "running time counts, over any number of boots"
            assert now.time < decision.until <= LEASE.expires_at
            if self.heard_in_this_boot or not self.rtc_was_touched:
                assert self.true < LEASE.expires_at
        if decision == Suspended(Why.CLOCK_LATE):
            self.was_late = True


Device.TestCase.settings = settings(max_examples=120, stateful_step_count=25, deadline=None)
TestDevice = Device.TestCase
