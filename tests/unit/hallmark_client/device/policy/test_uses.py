import sqlite3
from datetime import timedelta

import pytest

from hallmark_client.device.policy import UseCounts
from hallmark_client.device.policy.uses import WINDOW_SECONDS_MAX
from unit.hallmark_client.device.policy.policy_world import NOW

ONE, OTHER = "1" * 32, "2" * 32
HOUR = 3_600


class Counter:
    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        UseCounts.create_tables(self.connection)
        UseCounts.create_tables(self.connection)
        self.counts = UseCounts(self.connection)

    def spend(self, artifact_id: str = ONE, *, at: float = 0, uses: int = 1) -> None:
        self.connection.execute("BEGIN")
        self.counts.spend(artifact_id, NOW + timedelta(seconds=at), uses)
        self.connection.execute("COMMIT")

    def spent(self, window: int | None = None, *, artifact_id: str = ONE, at: float = 0) -> int:
        return self.counts.spent(artifact_id, window, NOW + timedelta(seconds=at))


@pytest.fixture
def counter():
    made = Counter()
    yield made
    made.connection.close()


def test_nothing_was_spent(counter: Counter) -> None:
    assert (counter.spent(), counter.spent(HOUR)) == (0, 0)


def test_uses_leave_the_window_and_never_the_sum(counter: Counter) -> None:
    counter.spend()
    counter.spend(at=1_800, uses=2)
    assert counter.spent(HOUR, at=1_800) == 3
    assert counter.spent(HOUR, at=HOUR + 59) == 3  # to the whole minute: never too few
    assert counter.spent(HOUR, at=HOUR + 60) == 2
    assert counter.spent(HOUR, at=3 * HOUR) == 0
    assert counter.spent(at=3 * HOUR) == 3


def test_artifacts_are_counted_apart(counter: Counter) -> None:
    counter.spend(ONE)
    assert counter.spent(artifact_id=OTHER) == counter.spent(HOUR, artifact_id=OTHER) == 0


def test_a_clock_that_was_set_back_gives_nothing_back(counter: Counter) -> None:
    counter.spend(at=10 * HOUR, uses=3)
    for at in (-400 * 24 * HOUR, 0, 10 * HOUR):
        assert counter.spent(HOUR, at=at) == 3
    counter.spend(at=0)
    assert counter.spent(HOUR, at=0) == counter.spent(HOUR, at=10 * HOUR) == 4
    assert counter.spent(HOUR, at=11 * HOUR + 60) == 0


def test_old_minutes_are_dropped_and_the_longest_window_stays_whole(counter: Counter) -> None:
    counter.spend(at=0)
    counter.spend(at=WINDOW_SECONDS_MAX)
    assert counter.spent(WINDOW_SECONDS_MAX, at=WINDOW_SECONDS_MAX) == 2
    counter.spend(at=WINDOW_SECONDS_MAX + 120)
    assert counter.connection.execute("SELECT count(*) FROM use_minute").fetchone() == (2,)
    assert counter.spent() == 3


def test_what_was_deleted_is_forgotten(counter: Counter) -> None:
    counter.spend(ONE)
    counter.spend(OTHER)
    counter.counts.forget(ONE)
    assert (counter.spent(), counter.spent(HOUR), counter.spent(artifact_id=OTHER)) == (0, 0, 1)


def test_they_are_spent_inside_a_transaction_only(counter: Counter) -> None:
    with pytest.raises(RuntimeError):
        counter.counts.spend(ONE, NOW)
    counter.connection.execute("BEGIN")
    counter.counts.spend(ONE, NOW)
    counter.connection.execute("ROLLBACK")
    assert counter.spent() == 0


@pytest.mark.parametrize("window", [0, -1, WINDOW_SECONDS_MAX + 1])
def test_windows_have_bounds(counter: Counter, window: int) -> None:
    with pytest.raises(ValueError):
        counter.spent(window)
