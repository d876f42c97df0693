"""Order, memory, errors and threads of the lanes; and what a flush that failed means."""

import threading
import time

import pytest

from hallmark_release.lanes import Flushing, Lanes

TIMEOUT_SECONDS = 10.0


class DiskError(OSError):
    pass


def own_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith(("hallmark-lane", "hallmark-flush"))]


def test_each_lane_has_every_block_in_order() -> None:
    found: list[list[bytes]] = [[], []]
    works = [lambda data: found[0].append(bytes(data)), lambda data: found[1].append(bytes(data))]
    with Lanes(2, blocks=3) as lanes:
        for number in range(50):
            for lane, work in enumerate(works):
                lanes.begin(lane, work, memoryview(bytes([number])))
            lanes.next_block()
        lanes.settle()
    assert found == [[bytes([number]) for number in range(50)]] * 2


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_a_buffer_is_not_given_again_while_a_lane_reads_it(blocks: int) -> None:
    buffers = [bytearray(1) for _ in range(blocks)]
    found = bytearray()

    def slow(data: memoryview) -> None:
        time.sleep(0.001)
        found.extend(data)

    with Lanes(1, blocks=blocks) as lanes:
        for number in range(30):
            buffers[number % blocks][0] = number
            lanes.begin(0, slow, memoryview(buffers[number % blocks]))
            lanes.next_block()
        lanes.settle()
    assert found == bytes(range(30))


@pytest.mark.parametrize("lane", [0, 1])
def test_the_error_of_a_lane_ends_it_within_its_blocks(lane: int) -> None:
    begun = []

    def fail(data: memoryview) -> None:
        raise DiskError(bytes(data))

    def run() -> None:
        with Lanes(2, blocks=3) as lanes:
            for number in range(100):
                begun.append(number)
                for each in range(2):
                    work = fail if each == lane and number == 5 else bytes
                    lanes.begin(each, work, memoryview(b"x"))
                lanes.next_block()

    with pytest.raises(DiskError):
        run()
    assert len(begun) <= 5 + 3
    assert own_threads() == []


def test_the_error_of_the_last_block() -> None:
    def run() -> None:
        with Lanes(1, blocks=3) as lanes:
            lanes.begin(0, int, memoryview(b"no number"))
            lanes.settle()

    with pytest.raises(ValueError, match="invalid literal"):
        run()


def test_an_error_of_the_caller_drops_what_waits() -> None:
    go, done = threading.Event(), list[bool]()

    def wait(_: memoryview) -> None:
        done.append(go.wait(TIMEOUT_SECONDS))

    def run() -> None:
        with Lanes(1, blocks=9) as lanes:
            for _ in range(8):
                lanes.begin(0, wait, memoryview(b"x"))
            threading.Timer(0.05, go.set).start()
            raise DiskError

    with pytest.raises(DiskError):
        run()
    assert done == [True]
    assert own_threads() == []


def test_one_flush_at_a_time() -> None:
    go, begun = threading.Event(), list[None]()

    def sync() -> None:
        begun.append(None)
        go.wait(TIMEOUT_SECONDS)

    with Flushing() as flushing:
        for _ in range(5):
            flushing.begin(lambda: sync)
        go.set()
        flushing.finish()
        assert len(begun) == 1
        flushing.begin(lambda: sync)
        flushing.finish()
        assert len(begun) == 2
    assert own_threads() == []


def test_a_flush_that_failed_is_told_by_the_next_and_at_the_end() -> None:
    failed = threading.Event()

    def fail() -> None:
        failed.set()
        raise DiskError

    with Flushing() as flushing:
        flushing.begin(lambda: fail)
        assert failed.wait(TIMEOUT_SECONDS)
        with pytest.raises(DiskError):
            flushing.finish()
        with pytest.raises(DiskError):
            flushing.begin(lambda: fail)
        with pytest.raises(DiskError):
            flushing.finish()
    assert own_threads() == []
