import pytest

from hallmark_client.device.life.tasks import Task, Tasks
from hallmark_client.errors import Unavailable
from hallmark_client.system import System


class World:
    def __init__(self) -> None:
        self.now = 0.0
        self.system = System(monotonic=lambda: self.now, jitter=lambda: 1.0)
        self.ran: list[str] = []
        self.failing: Exception | None = None

    def tasks(self) -> Tasks:
        names = {"first": 10.0, "second": 30.0}
        return Tasks(self.system, {name: Task(name=name, run=self.run(name, after)) for name, after in names.items()})

    def run(self, name: str, after: float):
        def run() -> float:
            self.ran.append(name)
            if name == "first" and self.failing is not None:
                raise self.failing
            return after

        return run


def test_each_in_its_own_time() -> None:
    world = World()
    tasks = world.tasks()
    assert tasks.run_due() == 10.0
    assert world.ran == ["first", "second"]
    world.now = 10.0
    assert tasks.run_due() == 10.0
    world.now = 15.0
    assert tasks.run_due() == 5.0
    assert world.ran == ["first", "second", "first"]
    tasks.wake("second")
    tasks.run_due()
    assert world.ran[-1] == "second"


def test_one_that_fails_comes_again_later_and_later_and_holds_up_nobody() -> None:
    world = World()
    world.failing = Unavailable("UNREACHABLE", "nobody listens")
    tasks = world.tasks()
    waits = []
    for _ in range(12):
        waits.append(tasks.run_due())
        world.now += waits[-1]
    assert tasks.trouble() == {"first": "UNREACHABLE: nobody listens"}
    assert waits[:4] == [1.0, 2.0, 4.0, 8.0]
    assert tasks.tasks["first"].failures > 6
    assert "second" in world.ran[2:]
    world.failing = None
    world.now += 300
    tasks.run_due()
    assert not tasks.trouble()


def test_the_servers_hint_counts() -> None:
    world = World()
    world.failing = Unavailable("QUEUE_FULL", "later", retry_after_seconds=25)
    assert world.tasks().run_due() == 25.0


def test_a_fault_of_the_program_is_not_hidden_and_ends_nothing() -> None:
    world = World()
    world.failing = ZeroDivisionError()
    tasks = world.tasks()
    with pytest.raises(ZeroDivisionError):
        tasks.run_due()
    assert tasks.trouble() == {"first": "FAULT: ZeroDivisionError()"}
    assert tasks.run_due() == 30.0, "the others go on"
    world.failing, world.now = None, 300.0
    tasks.run_due()
    assert not tasks.trouble()


def test_who_is_woken_at_work_works_again() -> None:
    world = World()
    tasks = world.tasks()
    tasks.tasks["second"].run = lambda: tasks.wake("first") or 30.0
    assert tasks.run_due() == 0.0
