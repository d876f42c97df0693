"""A TPM that takes commands and answers none: nobody waits for ever, and it is used again once it answers."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from hallmark_client.device.errors import RootUnavailable
from hallmark_client.device.roots.tpm2 import Tpm2Root, waiting
from support.swtpm import NEEDS_SWTPM
from support.swtpm_root import LABEL, SECRET, TpmRootBench, alone

pytestmark = [*NEEDS_SWTPM, alone]

HANGS = "has not answered for 0.5 s.*try again"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(waiting, "ANSWER_SECONDS", 0.5)
    yield
    until(lambda: not threads())


def threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "hallmark-tpm"]


def until(fact: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.usefixtures("impatient")
def test_every_call_ends_in_time(bench: TpmRootBench, root: Tpm2Root) -> None:
    epoch = root.epoch()
    blob = root.seal(SECRET, epoch=epoch, label=LABEL)
    calls: tuple[Callable[[], object], ...] = (
        root.epoch,
        lambda: root.open(blob, epoch=epoch, label=LABEL),
        lambda: root.seal(SECRET, epoch=epoch, label=LABEL),
        lambda: root.advance(epoch + 1),
        lambda: root.evidence(bytes(16)),
        bench.open,
    )
    with bench.tpm.hanging():
        for call in calls:
            begun = time.monotonic()
            with pytest.raises(RootUnavailable, match=HANGS):
                call()
            assert time.monotonic() - begun < 5
        assert len(threads()) == 1, "whoever comes later does not wait beside the first"
    until(lambda: not threads())
    assert root.epoch() == epoch, "it was never told to advance"
    assert root.open(blob, epoch=epoch, label=LABEL) == SECRET
    assert not bench.leftovers()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("calls", range(8))
def test_a_hang_in_the_middle_leaves_one_epoch_or_the_other(
    bench: TpmRootBench, root: Tpm2Root, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the n-th call of an `advance`."""
    epoch, left = root.epoch(), iter(range(calls, -1, -1))
    call = waiting.Waiting.call

    def hanging(self: waiting.Waiting, function, *arguments, **named):
        if next(left, None) == 0:
            stopped.enter_context(bench.tpm.hanging())
        return call(self, function, *arguments, **named)

    with contextlib.ExitStack() as stopped, monkeypatch.context() as patched:
        patched.setattr(waiting.Waiting, "call", hanging)
        with contextlib.suppress(RootUnavailable):  # what the last calls only clean up was done
            root.advance(epoch + 1)
    until(lambda: not threads())
    for kind in ("-t", "-l", "-s"):  # what the resource manager of a real system does when a connection ends
        bench.tpm.run("tpm2_flushcontext", kind)
    present = root.epoch()
    assert present in (epoch, epoch + 1)
    root.advance(epoch + 1)
    assert root.epoch() == epoch + 1
