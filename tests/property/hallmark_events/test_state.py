"""The reducer against a server: whatever is lost, doubled, reordered, replayed, restored or restarted in between, a full
transfer leads to the server's state, and what was INVALID is never anything else again.
"""

import itertools
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hallmark_events.errors import RolledBack
from hallmark_events.event_set import EventSet
from hallmark_events.state import FeedState, digest_of, put
from hallmark_events.state_entry import Entry
from hallmark_events.types import StatusValue
from unit.hallmark_events.events_world import PARENT, event

SUBJECTS = ("artifacts/a", "artifacts/b", "keys/k")
STATUS = st.sampled_from(StatusValue)
INVALID, SUSPENDED, VALID = StatusValue.INVALID, StatusValue.SUSPENDED, StatusValue.VALID


@dataclass
class Server:
    """Its feed by the rules that the wire promises: newest event of each subject, INVALID is the end."""

    epoch_number: int = 1
    events: list[EventSet] = field(default_factory=list)
    newest: dict[str, EventSet] = field(default_factory=dict)
    mirror: dict[str, Entry] = field(default_factory=dict)

    @property
    def epoch(self) -> bytes:
        return self.epoch_number.to_bytes(16, "big")

    def say(self, number: int, subject: str, status: StatusValue) -> None:
        held = self.newest.get(f"{PARENT}/{subject}")
        if held is not None and held.status is INVALID and status is not INVALID:
            return
        made = event(number, subject, status, revision=1 if held is None else held.revision + 1)
        assert put(self.mirror, made) is None
        self.events.append(made)
        self.newest[made.subject] = made

    def restored(self, length: int) -> "Server":
        """From a backup that has only the first events, as a new history."""
        other = Server(epoch_number=self.epoch_number + 1)
        for one in self.events[:length]:
            put(other.mirror, one)
            other.events.append(one)
            other.newest[one.subject] = one
        return other


class Receiver(RuleBasedStateMachine):
    """Events reach the receiver in any way, from any history it has not left behind."""

    def __init__(self) -> None:
        super().__init__()
        self.server = Server()
        self.state = FeedState()
        self.numbers = itertools.count(1)
        self.ever_invalid: set[str] = set()
        self.history: list[EventSet] = []

    def _apply(self, one: EventSet) -> None:
        self.state.apply(one)
        if one.status is INVALID:
            self.ever_invalid.add(one.subject)

    @rule(subject=st.sampled_from(SUBJECTS), status=STATUS)
    def the_server_says(self, subject, status) -> None:
        self.server.say(next(self.numbers), subject, status)
        self.history = [*self.history, *self.server.events[-1:]]

    @precondition(lambda self: self.history)
    @rule(data=st.data())
    def any_event_comes(self, data) -> None:
        """Late, again, out of order, or of a history that is over."""
        self._apply(data.draw(st.sampled_from(self.history)))

    @rule()
    def it_restarts(self) -> None:
        self.state = FeedState.from_json(self.state.to_json())

    @rule(data=st.data())
    def the_server_is_restored_from_a_backup(self, data) -> None:
        self.server = self.server.restored(data.draw(st.integers(0, len(self.server.events))))

    @rule(data=st.data())
    def a_full_transfer_is_cut_off(self, data) -> None:
        self.state.begin_full(self.server.epoch)
        for one in data.draw(st.permutations(list(self.server.newest.values()))):
            if data.draw(st.booleans()):
                self._apply(one)
        self.state.go_on(self.state.epoch)

    @precondition(lambda self: self.state.epoch == self.server.epoch and self.history)
    @rule(data=st.data())
    def a_stale_cache_answers_with_an_old_state(self, data) -> None:
        """The same history, as it was some events ago: refused, or in no way a step back."""
        before = {subject: self.state.get(subject) for subject in self.state.subjects()}
        old = Server(epoch_number=self.server.epoch_number)
        for one in self.server.events[: data.draw(st.integers(0, len(self.server.events)))]:
            put(old.mirror, one)
            old.newest[one.subject] = one
        self.state.begin_full(self.state.epoch)
        for one in old.newest.values():
            self._apply(one)
        with suppress(RolledBack):
            self.state.commit_full(sequence=self.state.sequence, digest=digest_of(old.mirror))
        for subject, held in before.items():
            told = old.newest.get(subject)
            if held.status is not VALID and (told is None or told.jti <= held.jti):
                assert self.state.status_of(subject) is not VALID
                assert self.state.status_of(subject) is not None

    @rule(data=st.data())
    def a_full_transfer_heals(self, data) -> None:
        self.state.begin_full(self.server.epoch)
        told = list(self.server.newest.values())
        for one in data.draw(st.permutations(told + told)):
            self._apply(one)
        sequence, digest = self.state.sequence + 1, digest_of(self.server.mirror)
        if self.state.epoch == self.server.epoch and self._is_contradicted():
            with pytest.raises(RolledBack):
                self.state.commit_full(sequence=sequence, digest=digest)
            return
        self.state.commit_full(sequence=sequence, digest=digest)
        assert self.state.digest() == digest_of(self.server.mirror)
        for subject, one in self.server.newest.items():
            assert self.state.status_of(subject) in {one.status, INVALID, SUSPENDED}
            if subject not in self.state.kept:
                assert self.state.status_of(subject) is one.status

    def _is_contradicted(self) -> bool:
        """Events of a history that is over were replayed into this one, which never said them."""
        both = [(self.state.mirror[name], one) for name, one in self.server.newest.items() if name in self.state.mirror]
        return any(
            held.revision > told.revision or (held.status is INVALID and told.status is not INVALID)
            for held, told in both
        )

    @invariant()
    def what_was_invalid_is_for_ever(self) -> None:
        for subject in self.ever_invalid:
            assert self.state.status_of(subject) is INVALID


Receiver.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestReceiver = Receiver.TestCase


@given(st.lists(st.tuples(st.sampled_from(SUBJECTS), STATUS), max_size=12), st.data())
def test_within_one_history_loss_and_disorder_converge(said, data) -> None:
    """No restore, no replay from elsewhere: after the full transfer, exactly the server's state."""
    server = Server()
    for number, (subject, status) in enumerate(said, 1):
        server.say(number, subject, status)
    state = FeedState()
    state.begin_full(server.epoch)
    state.commit_full(sequence=0)
    if server.events:
        for one in data.draw(st.lists(st.sampled_from(server.events), max_size=20)):
            state.apply(one)
    state.begin_full(server.epoch)
    for one in data.draw(st.permutations(list(server.newest.values()))):
        state.apply(one)
    done = state.commit_full(sequence=len(server.events), digest=digest_of(server.mirror))
    assert done.kept == ()
    assert {s: state.status_of(s) for s in state.subjects()} == {s: one.status for s, one in server.newest.items()}
