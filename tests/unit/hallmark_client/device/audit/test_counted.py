"""Whoever asks over and over: each denial counts, and few of them are entries."""

import random
import threading
from collections import Counter

import pytest

from hallmark_client.device.audit import AuditAct, AuditOutcome, AuditRecord, CountedDenials
from hallmark_client.device.audit.counted import KINDS_MAX, MORE, QUIET_SECONDS, REPEATS
from unit.hallmark_client.device.audit.audit_world import record


class Owner:
    """Its clock goes on by hand; `refuse`: its disk is full."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.written: list[tuple[float, AuditRecord]] = []
        self.refuse = False
        self.denials = CountedDenials(threading.RLock(), self.write, lambda: self.now)

    def write(self, denial: AuditRecord) -> None:
        if self.refuse:
            raise OSError(28, "No space left on device")
        self.written.append((self.now, denial))

    def deny(self, name: str = "m", *, caller: str = "app", clause: str = "callers", operation: str = "get") -> None:
        facts = {"operation": operation}
        denied = record(name=name, caller=caller, clause=clause, facts=facts, **_DENIED)
        self.denials.note(denied)

    def pass_(self, seconds: float) -> None:
        """As the timer does it."""
        for _ in range(int(seconds)):
            self.now += 1
            self.denials._write_in_time()

    def stood_for(self) -> list[int]:
        return [int(denial.facts.get(REPEATS, "1")) for _, denial in self.written]


_DENIED = {"act": AuditAct.DENIED, "outcome": AuditOutcome.DENIED}


@pytest.fixture
def owner():
    made = Owner()
    yield made
    made.refuse = False
    made.denials.flush()


def test_the_first_of_a_kind_is_written_at_once(owner: Owner) -> None:
    owner.deny()
    for other in ({"name": "n"}, {"caller": "b"}, {"clause": "max-uses"}, {"operation": "put"}):
        owner.deny(**other)
    assert owner.stood_for() == [1] * 5
    assert owner.written[0][1].facts == {"operation": "get"}


def test_the_same_again_is_counted_and_told_less_and_less_often(owner: Owner) -> None:
    for _ in range(4000):
        owner.deny()
        owner.pass_(1)
    owner.denials.flush()
    times = [at - 1000 for at, _ in owner.written]
    assert times[:7] == pytest.approx([0, 60, 180, 420, 900, 1860, 2820], abs=1)
    assert sum(owner.stood_for()) == 4000
    assert owner.written[1][1].facts == {"operation": "get", REPEATS: "59"}
    assert {denial.name for _, denial in owner.written} == {"m"}


def test_after_a_quiet_time_it_is_the_first_again(owner: Owner) -> None:
    for _ in range(500):
        owner.deny()
        owner.pass_(1)
    owner.pass_(int(QUIET_SECONDS) + 1000)
    before = len(owner.written)
    owner.deny()
    assert len(owner.written) == before + 1
    assert sum(owner.stood_for()) == 501
    owner.deny()
    owner.pass_(60)
    assert len(owner.written) == before + 2


@pytest.mark.parametrize("seed", range(3))
def test_names_that_are_made_up_fill_no_disk_and_no_memory(owner: Owner, seed: int) -> None:
    lot, seconds = random.Random(seed), 3600
    for number in range(seconds):
        owner.deny(f"made-up-{number}-{lot.random()}", operation=lot.choice(["get", "put"]))
        if number % 7 == 0:
            owner.deny("often")
        owner.pass_(1)
    owner.denials.flush()
    assert sum(owner.stood_for()) == seconds + -(-seconds // 7)
    assert len(owner.written) < 120
    assert Counter(denial.clause for _, denial in owner.written)[MORE] >= 1
    assert all(not denial.name for _, denial in owner.written if denial.clause == MORE)
    assert sum(map(len, owner.denials._callers.values())) <= KINDS_MAX + 1


def test_one_caller_takes_nothing_from_another(owner: Owner) -> None:
    for number in range(100):
        owner.deny(f"made-up-{number}", caller="hostile")
    owner.deny("m", caller="honest")
    assert (owner.written[-1][1].caller, owner.written[-1][1].name) == ("honest", "m")


def test_callers_that_are_gone_are_forgotten(owner: Owner) -> None:
    for number in range(50):
        owner.deny(caller=f"caller-{number}")
    owner.now += QUIET_SECONDS
    owner.deny(caller="another")
    assert list(owner.denials._callers) == ["another"]


def test_a_denial_that_can_not_be_written_is_told_and_counted(owner: Owner) -> None:
    owner.refuse = True
    for _ in range(3):
        with pytest.raises(OSError, match="No space"):
            owner.deny()
    owner.pass_(100)
    owner.refuse = False
    owner.deny()
    assert owner.stood_for() == [4]


def test_a_thread_writes_what_is_counted() -> None:
    owner, written = Owner(), threading.Event()
    owner.denials._clock = lambda: owner.now
    owner.deny()
    owner.now += 59.9
    owner.deny()  # the timer is set for 0.1 s later
    owner.now += 1
    owner.denials._write = lambda denial: (owner.write(denial), written.set())
    assert written.wait(10)
    assert owner.stood_for() == [1, 1]


def test_nobody_is_answered_before_the_first_is_on_disk(owner: Owner) -> None:
    """Another thread that is denied the same meanwhile waits for it."""
    writing, go_on, answered = threading.Event(), threading.Event(), threading.Event()

    def slow(denial: AuditRecord) -> None:
        writing.set()
        assert go_on.wait(10)
        owner.write(denial)

    owner.denials._write = slow

    def second() -> None:
        owner.deny()
        answered.set()

    first, other = threading.Thread(target=owner.deny), threading.Thread(target=second)
    first.start()
    assert writing.wait(10)
    other.start()
    assert not answered.wait(0.2)
    go_on.set()
    assert answered.wait(10)
    for thread in (first, other):
        thread.join(10)
