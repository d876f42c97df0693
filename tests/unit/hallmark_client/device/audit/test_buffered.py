import threading

import pytest

from hallmark_client.device.audit import BufferedAudit
from unit.hallmark_client.device.audit.audit_world import World, record


class Vault:
    """Writes groups as a vault does."""

    def __init__(self, **settings) -> None:
        self.world = World()
        self.lock = threading.RLock()
        self.reads = BufferedAudit(self.write, **settings)
        self.written = threading.Event()
        self.refuse = False

    def write(self, *others) -> None:
        with self.lock, self.reads.taken() as records, self.world.transaction() as chain:
            chain.append_all((*records, *others))
            if self.refuse:
                raise OSError(28, "No space left on device")
        self.written.set()

    def numbers(self) -> list[int]:
        with self.lock:
            return [entry.record.boot_seconds for entry in self.world.chain.entries()]


@pytest.fixture
def vault():
    made = Vault(limit=4, seconds=60)
    yield made
    made.refuse = False
    made.reads.flush()
    made.world.connection.close()


def test_records_wait_for_their_group(vault: Vault) -> None:
    for number in (1, 2, 3):
        vault.reads.add(record(number))
    assert vault.numbers() == []
    vault.reads.add(record(4))
    assert vault.written.wait(10)
    assert vault.numbers() == [1, 2, 3, 4]
    vault.world.chain.verify()


def test_a_reader_writes_itself_when_too_many_are_held(vault: Vault) -> None:
    with vault.lock:  # the thread waits for it
        for number in range(16):
            vault.reads.add(record(number))
        assert vault.numbers() == []
        vault.reads.add(record(16))
        assert vault.numbers() == list(range(16))
    vault.reads.flush()
    assert vault.numbers() == list(range(17))


def test_other_writing_takes_them_along_first(vault: Vault) -> None:
    vault.reads.add(record(1))
    vault.write(record(9))
    vault.reads.add(record(2))
    vault.reads.flush()
    assert vault.numbers() == [1, 9, 2]


def test_nothing_held_is_nothing_written(vault: Vault) -> None:
    vault.reads.flush()
    assert not vault.written.is_set()


def test_after_their_time_they_are_written_by_themselves() -> None:
    vault = Vault(limit=100, seconds=0.02)
    for turn in (1, 2):
        vault.reads.add(record(turn))
        assert vault.written.wait(10)
        vault.written.clear()
    assert vault.numbers() == [1, 2]
    vault.world.connection.close()


def test_a_write_that_fails_loses_nothing(vault: Vault) -> None:
    vault.reads.add(record(1))
    vault.refuse = True
    with pytest.raises(OSError, match="No space"):
        vault.write(record(9))
    for again in (vault.reads.flush, lambda: vault.reads.add(record(2))):
        with pytest.raises(OSError, match="No space"):
            again()
    vault.refuse = False
    vault.reads.add(record(3))
    vault.reads.flush()
    assert vault.numbers() == [1, 3]


def test_reading_ends_while_a_group_that_was_due_can_not_be_written() -> None:
    vault = Vault(limit=100, seconds=0.01)
    tried = threading.Event()
    vault.world.connection.set_trace_callback(lambda sql: sql == "ROLLBACK" and tried.set())
    vault.refuse = True
    vault.reads.add(record(1))
    assert tried.wait(10)
    with vault.lock:  # the thread that tried has put its records back when it lets go
        vault.world.connection.set_trace_callback(None)
    for number in (2, 3):
        with pytest.raises(OSError, match="No space"):
            vault.reads.add(record(number))
    vault.refuse = False
    vault.reads.add(record(4))
    assert vault.numbers() == [1]
    vault.reads.flush()
    assert vault.numbers() == [1, 4]
    vault.world.connection.close()


def test_many_threads_lose_and_repeat_nothing() -> None:
    vault = Vault(limit=7, seconds=0.001)

    def read(first: int) -> None:
        for number in range(first, first + 50):
            vault.reads.add(record(number))
            if number % 10 == 0:
                vault.write(record(number + 5_000))

    threads = [threading.Thread(target=read, args=(start,)) for start in (0, 1_000, 2_000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    vault.reads.flush()
    numbers = vault.numbers()
    assert len(numbers) == len(set(numbers)) == 165
    for first in (0, 1_000, 2_000):
        own = [number for number in numbers if first <= number < first + 50]
        assert own == sorted(own)
    vault.world.chain.verify()
    vault.world.connection.close()
