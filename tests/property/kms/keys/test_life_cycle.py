"""The life of a key as a state machine: whatever is done in whatever order, the rules hold."""

import asyncio
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from hallmark_composite import verify
from kms.core.errors import FailedPrecondition
from kms.core.names import KeyName, KeyVersionName
from kms.keys.model import KeyVersionState
from support.keys_world import keys_world

NAME = KeyName("default", "manifest")


class KeyLife(RuleBasedStateMachine):
    """The model: which versions are active, which revoked, whether the key is; and every signature ever given."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.stack = AsyncExitStack()
        self.active: int | None = None
        self.count = 0
        self.revoked: set[int] = set()
        self.key_revoked = False
        self.signatures: list[tuple[int, bytes, bytes]] = []

    def run(self, work):
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        self.run(self.stack.aclose())
        self.loop.close()
        self.folder.cleanup()

    @initialize()
    def create(self) -> None:
        self.world = self.run(self.stack.enter_async_context(keys_world(Path(self.folder.name))))
        self.run(self.world.create())
        self.active = self.count = 1

    @rule(message=st.binary(max_size=40))
    def sign(self, message: bytes) -> None:
        try:
            answer = self.run(self.world.sign(message))
        except FailedPrecondition:
            assert self.active is None
            return
        number = int(answer.key_version.rpartition("/")[2])
        assert number == self.active
        self.signatures.append((number, message, answer.signature))

    @rule()
    def rotate(self) -> None:
        try:
            self.run(self.world.rotate())
        except FailedPrecondition:
            assert self.key_revoked
            return
        assert not self.key_revoked
        self.count += 1
        self.active = self.count

    @rule(data=st.data(), compromised=st.booleans())
    def revoke_version(self, data: st.DataObject, compromised: bool) -> None:
        number = data.draw(st.integers(1, self.count))
        self.run(self.world.revoke(KeyVersionName("default", "manifest", number), compromised=compromised))
        self.revoked.add(number)
        if number == self.active:
            self.active = None

    @rule()
    def revoke_key(self) -> None:
        self.run(self.world.revoke(NAME))
        self.key_revoked = True
        self.active = None
        self.revoked |= set(range(1, self.count + 1))

    @invariant()
    def the_rules_hold(self) -> None:
        if not self.count:
            return
        key = self.run(self.world.keys.get(NAME))
        active = [version.name.version for version in key.versions if version.state is KeyVersionState.ACTIVE]
        assert active == ([] if self.active is None else [self.active])
        assert key.primary == self.active
        assert [version.name.version for version in key.versions] == list(range(self.count, 0, -1))
        assert {version.name.version for version in key.versions if version.revoke_time} == self.revoked
        for number, message, signature in self.signatures:
            version = key.version(number)
            assert version is not None
            verify(version.public_key, signature, message=message)


TestKeyLife = KeyLife.TestCase
TestKeyLife.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)
