import threading
import time
from collections.abc import Iterator

import pytest

from hallmark_client import Unavailable
from hallmark_client.pump import Pump, StreamEnded


class Source:
    """A stream of numbers that says how far it was read, then raises or waits to be cancelled."""

    def __init__(self, count: int, then: Exception | None = None, *, wait: bool = False) -> None:
        self.read = 0
        self._count, self._then, self._wait = count, then, wait
        self._cancelled = threading.Event()

    def __iter__(self) -> Iterator[int]:
        for number in range(self._count):
            self.read = number + 1
            yield number
        if self._wait:
            self._cancelled.wait(10)
        if self._then is not None:
            raise self._then

    def cancel(self) -> None:
        self._cancelled.set()


def test_messages_come_in_order_and_then_the_end() -> None:
    pump = Pump(Source(3))
    assert [pump.get(1, None) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(StreamEnded):
        pump.get(1, None)
    pump.close()


@pytest.mark.parametrize("error", [Unavailable("UNREACHABLE", "gone"), ZeroDivisionError("a bug")])
def test_what_broke_the_stream_is_raised_after_what_arrived(error: Exception) -> None:
    pump = Pump(Source(1, error))
    assert pump.get(1, None) == 0
    with pytest.raises(type(error)):
        pump.get(1, None)
    pump.close()


def test_silence_ends_a_wait() -> None:
    pump = Pump(Source(0, wait=True))
    with pytest.raises(Unavailable) as refused:
        pump.get(0.2, None)
    assert refused.value.reason == "SILENT"
    pump.close()


def test_a_wait_can_be_given_up() -> None:
    pump = Pump(Source(0, wait=True))
    stop = threading.Event()
    threading.Timer(0.05, stop.set).start()
    began = time.monotonic()
    assert pump.get(10, stop.is_set) is None
    assert time.monotonic() - began < 2
    pump.close()


def test_a_slow_reader_slows_the_stream_down_and_can_still_leave() -> None:
    source = Source(10_000)
    pump = Pump(source)
    assert pump.get(1, None) == 0
    time.sleep(0.3)
    assert source.read < 100, "the stream is read ahead a little, not all of it"
    pump.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "hallmark-watch"]
