"""What the suites of the client share: a fake server, a clock that moves by sleeping, clients of both."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from hallmark_client import Client
from hallmark_client.system import System
from hallmark_client.testing import FakeService


@dataclass
class Clock:
    """Moves only when somebody sleeps; remembers for how long. While asleep, `on_sleep` may change the world."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)
    on_sleep: Callable[[], None] = lambda: None

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        self.on_sleep()

    def system(self, *, jitter: float = 1.0) -> System:
        return System(monotonic=self.monotonic, sleep=self.sleep, jitter=lambda: jitter)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fake() -> FakeService:
    return FakeService()


@pytest.fixture
def connect(fake: FakeService) -> Iterator[Callable[..., Client]]:
    """`connect(role=..., system=...)`: a client of `fake` that is closed after the test."""
    with ExitStack() as clients:
        yield lambda **options: clients.enter_context(fake.client(**options))


@pytest.fixture
def client(connect: Callable[..., Client]) -> Client:
    return connect()
