import itertools
import threading
from collections.abc import Iterator

import pytest

from hallmark_client import Internal, PermissionDenied, Unavailable
from hallmark_client.model.log_entries import LogBatch


def take(batches: Iterator[LogBatch], count: int) -> list[int]:
    """Indices of the next entries."""
    records = itertools.chain.from_iterable(batch.entries for batch in batches)
    return [record.leaf_index for record in itertools.islice(records, count)]


def test_following_outlives_the_server(fake, connect, clock) -> None:
    admin = connect()
    admin.keys.create("one")
    stream = connect(system=clock.system(jitter=1.0)).log.stream(follow=True)
    seen = take(stream, fake_size(admin))

    def come_back() -> None:
        if len(clock.slept) == 8:
            fake.start()
            admin.keys.create("two")

    clock.on_sleep = come_back
    fake.stop()
    assert take(stream, 1) == [len(seen)]
    assert len(clock.slept) >= 8


def fake_size(admin) -> int:
    return int(admin.log.checkpoint().size)


def test_every_entry_comes_once_after_a_drain(fake, connect, clock) -> None:
    admin = connect()
    for number in range(3):
        admin.keys.create(f"key-{number}")
    size = fake_size(admin)
    stream = connect(system=clock.system()).log.stream(follow=True)
    first = next(stream)
    fake.drain()
    clock.on_sleep = fake.start
    admin.keys.create("later")
    seen = [record.leaf_index for record in first.entries] + take(stream, fake_size(admin) - size)
    assert seen == list(range(fake_size(admin)))


def test_reading_to_the_end_ends(connect) -> None:
    admin = connect()
    admin.keys.create("one")
    assert [record.leaf_index for record in admin.log.entries()] == list(range(fake_size(admin)))
    assert [batch.entries for batch in admin.log.stream(fake_size(admin))] == [()]


def test_who_reads_to_the_end_gives_up_on_a_server_that_stays_away(fake, connect, clock) -> None:
    client = connect(system=clock.system())
    fake.stop()
    with pytest.raises(Unavailable):
        list(client.log.entries())
    assert 3 < sum(clock.slept) < 30


def test_a_gap_is_a_fault_of_the_server(fake, connect) -> None:
    admin = connect()
    admin.keys.create("one")
    admin.keys.create("two")

    def drop_the_first(message) -> None:
        del message.entries[0]

    fake.change_answer("StreamEntries", drop_the_first)
    with pytest.raises(Internal) as refused:
        list(admin.log.entries())
    assert refused.value.reason == "ANSWER_INVALID"


def test_following_ends_when_it_is_stopped(connect) -> None:
    admin = connect()
    admin.keys.create("one")
    stop = threading.Event()
    for batch in admin.log.stream(follow=True, stop=stop):
        assert batch.entries
        stop.set()


def test_what_gets_no_better_is_raised(connect) -> None:
    with pytest.raises(PermissionDenied):
        list(connect(role="device").log.stream(follow=True))
