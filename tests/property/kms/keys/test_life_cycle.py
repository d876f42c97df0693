"""The life of a key as a state machine: whatever is done in whatever order, the rules hold (SP 800-57, section 7)."""

import asyncio
import tempfile
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from hallmark_composite import verify
from kms.core.errors import FailedPrecondition
from kms.core.names import KeyName, KeyVersionName
from kms.keys.lifecycle import Action, acted, destroyed, revoked, rotated
from kms.keys.model import KeyVersionState as S
from support.clock import START
from support.key_life_model import Life, Model, key_of_one_version, next_version
from support.trust_world import trust_world

NAME = KeyName("default", "manifest")


class KeyLife(RuleBasedStateMachine):
    """Beside the model: every signature ever given."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.stack = AsyncExitStack()
        self.model = Model()
        self.signatures: list[tuple[int, bytes, bytes]] = []

    def run(self, work):
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        self.run(self.stack.aclose())
        self.loop.close()
        self.folder.cleanup()

    @property
    def now(self) -> datetime:
        return self.world.world.clock.now()

    def number(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from(sorted(self.model.versions)))

    @initialize()
    def create(self) -> None:
        trust = self.run(self.stack.enter_async_context(trust_world(Path(self.folder.name))))
        self.world, self.life, self.scheduler = trust.base, trust.replica.life, trust.replica.scheduler
        self.model.versions[1] = Life(S.ACTIVE)

    @rule(message=st.binary(max_size=40))
    def sign(self, message: bytes) -> None:
        try:
            answer = self.run(self.world.sign(message))
        except FailedPrecondition:
            assert self.model.active is None
            return
        number = int(answer.key_version.rpartition("/")[2])
        assert number == self.model.active
        self.signatures.append((number, message, answer.signature))

    @rule(hours=st.sampled_from([0, 2, 24]))
    def rotate(self, hours: int) -> None:
        lead = timedelta(hours=hours)
        try:
            self.run(self.world.rotate(lead=lead))
        except FailedPrecondition:
            assert not self.model.rotate(self.now, lead)
            return
        assert self.model.rotate(self.now, lead)

    @rule(data=st.data(), action=st.sampled_from(list(Action)))
    def act(self, data: st.DataObject, action: Action) -> None:
        number = self.number(data)
        name = KeyVersionName("default", "manifest", number)
        request = self.world.request()
        try:
            self.run(self.life.change(name, action, request=request, now=self.now, published=False))
        except FailedPrecondition:
            assert not self.model.act(number, action, self.now)
            return
        assert self.model.act(number, action, self.now)

    @rule(hours=st.sampled_from([1, 3, 24 * 29, 24 * 31]))
    def let_time_pass(self, hours: int) -> None:
        self.world.world.clock.advance(hours * 3600)
        self.run(self.scheduler.step())
        self.model.pass_time(self.now)

    @rule(data=st.data(), compromised=st.booleans())
    def revoke_version(self, data: st.DataObject, compromised: bool) -> None:
        number = self.number(data)
        self.run(self.world.revoke(KeyVersionName("default", "manifest", number), compromised=compromised))
        self.model.revoke(number, compromised=compromised)

    @rule(compromised=st.booleans())
    def revoke_key(self, compromised: bool) -> None:
        self.run(self.world.revoke(NAME, compromised=compromised))
        self.model.revoked = True
        for number in self.model.versions:
            self.model.revoke(number, compromised=compromised)

    @invariant()
    def the_rules_hold(self) -> None:
        if not self.model.versions:
            return
        key = self.run(self.world.keys.get(NAME))
        self.model.check(key)
        for number, message, signature in self.signatures:
            version = key.version(number)
            assert version is not None
            verify(version.public_key, signature, message=message)


class Rules(RuleBasedStateMachine):
    """The pure rules alone, so thousands of steps: no destroyer here unless a rule says so."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.model = Model()
        self.key = key_of_one_version(START)
        self.model.versions[1] = Life(S.ACTIVE)

    def number(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from(sorted(self.model.versions)))

    @rule(hours=st.sampled_from([0, 2]))
    def rotate(self, hours: int) -> None:
        lead = timedelta(hours=hours)
        waiting = self.key.next_version
        try:
            if waiting is not None and not hours:
                self.key = acted(self.key, waiting.name.version, Action.ACTIVATE, self.now)
            else:
                self.key = rotated(self.key, next_version(self.key, self.now, lead))
        except FailedPrecondition:
            assert not self.model.rotate(self.now, lead)
            return
        assert self.model.rotate(self.now, lead)

    @rule(data=st.data(), action=st.sampled_from(list(Action)))
    def act(self, data: st.DataObject, action: Action) -> None:
        number, now = self.number(data), self.now
        try:
            self.key = acted(self.key, number, action, now)
        except FailedPrecondition:
            assert not self.model.act(number, action, now)
            return
        assert self.model.act(number, action, now)

    @rule(data=st.data())
    def destroy(self, data: st.DataObject) -> None:
        number = self.number(data)
        life = self.model.versions[number]
        try:
            self.key = destroyed(self.key, number, self.now)
        except FailedPrecondition:
            assert life.state is not S.DESTROY_SCHEDULED
            return
        assert life.state is S.DESTROY_SCHEDULED
        life.state = S.DESTROYED

    @rule(days=st.sampled_from([1, 31]))
    def let_time_pass(self, days: int) -> None:
        self.now += timedelta(days=days)

    @rule(data=st.data(), compromised=st.booleans(), hours=st.integers(-50, 0))
    def revoke(self, data: st.DataObject, compromised: bool, hours: int) -> None:
        number, since = self.number(data), self.now + timedelta(hours=hours)
        before = self.key.version(number)
        self.key = revoked(self.key, [number], compromised=compromised, effective_time=since, now=self.now)
        self.model.revoke(number, compromised=compromised)
        after = self.key.version(number)
        assert before is not None
        assert after is not None
        assert after.revoke_time == min(before.revoke_time or since, since), "trust that ended does not come back"
        if compromised:
            assert after.compromise_time == min(before.compromise_time or since, since)

    @invariant()
    def the_rules_hold(self) -> None:
        self.model.check(self.key)


TestKeyLife = KeyLife.TestCase
TestKeyLife.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
TestRules = Rules.TestCase
TestRules.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
