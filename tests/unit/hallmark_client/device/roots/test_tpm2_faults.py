"""The TPM goes away at any command, the program dies between any two steps: the old or the new state, never neither."""

import contextlib
import threading
from collections.abc import Callable, Iterator

import pytest

from hallmark_client.device.errors import RootLost, RootUnavailable
from hallmark_client.device.roots.port import Limits
from hallmark_client.device.roots.tpm2 import Tpm2Root, open_tpm2_root
from support.swtpm import NEEDS_SWTPM
from support.swtpm_bus import Bus, wired
from support.swtpm_root import LABEL, SECRET, TpmRootBench, tpm_root_bench

pytestmark = [*NEEDS_SWTPM]

COMMANDS_MAX = 60


@pytest.fixture
def bench() -> Iterator[TpmRootBench]:
    with tpm_root_bench() as bench:
        yield bench


@pytest.fixture
def bus(bench: TpmRootBench) -> Iterator[Bus]:
    with wired(bench.tpm) as bus:
        yield bus


def until_it_is_done(bench: TpmRootBench, bus: Bus, call: Callable[[], object], after: Callable[[], None]) -> int:
    """Cuts the wire behind the first command, then behind the second, and so on. Gives how many there were."""
    for commands in range(COMMANDS_MAX):
        bus.cut_after(commands)
        done = False
        with contextlib.suppress(RootUnavailable):
            call()
            done = True
        bus.cut_after(None)
        for kind in ("-t", "-l", "-s"):  # what the resource manager of a real system does when a connection ends
            bench.tpm.run("tpm2_flushcontext", kind)
        if done:
            return commands
        after()
    raise AssertionError("it never came to an end")


def test_advance_cut_at_every_command(bench: TpmRootBench, bus: Bus) -> None:
    root = open_tpm2_root(bench.state, tcti=bus.tcti)
    before = root.epoch()
    old = root.seal(SECRET, epoch=before, label=LABEL)
    new = root.seal(SECRET, epoch=before + 1, label=LABEL)
    seen: set[int] = set()

    def after() -> None:
        present = root.epoch()
        seen.add(present)
        readable, dead = (old, new) if present == before else (new, old)
        assert root.open(readable, epoch=present, label=LABEL) == SECRET
        with pytest.raises(RootLost):
            root.open(dead, epoch=present, label=LABEL)

    assert until_it_is_done(bench, bus, lambda: root.advance(before + 1), after) > 5
    assert seen == {before, before + 1}
    assert root.epoch() == before + 1


def test_sealing_and_opening_cut_at_every_command(bench: TpmRootBench, bus: Bus) -> None:
    root = open_tpm2_root(bench.state, tcti=bus.tcti)
    epoch, before = root.epoch(), bench.tpm.handles("nv-index")
    kept = root.seal(SECRET, epoch=epoch, label=LABEL)
    limits = Limits(max_uses=1000, not_after_seconds=3600)

    def still_there() -> None:
        assert root.open(kept, epoch=epoch, label=LABEL) == SECRET

    until_it_is_done(bench, bus, lambda: root.seal(SECRET, epoch=epoch, label=LABEL, limits=limits), still_there)
    blob = root.seal(SECRET, epoch=epoch, label=LABEL, limits=limits)
    until_it_is_done(bench, bus, lambda: root.open(blob, epoch=epoch, label=LABEL), still_there)
    assert bench.tpm.handles("nv-index") != before
    root.advance(epoch + 1)
    assert bench.tpm.handles("nv-index") == before, "the file knew every use counter that was begun"


def test_making_a_root_cut_at_every_command(bench: TpmRootBench, bus: Bus) -> None:
    made: list[Tpm2Root] = []
    most = 0

    def counted() -> None:
        nonlocal most
        most = max(most, len(bench.tpm.handles("nv-index").split()) // 2)

    until_it_is_done(bench, bus, lambda: made.append(open_tpm2_root(bench.state, tcti=bus.tcti)), counted)
    assert most == 1, "no counter was left behind that no file knows"
    assert made[0].epoch() == 1
    blob = made[0].seal(SECRET, epoch=1, label=LABEL)
    assert bench.open().open(blob, epoch=1, label=LABEL) == SECRET


def test_a_vault_that_died_between_its_index_and_the_counter(bench: TpmRootBench) -> None:
    """Sealed for the next epoch, written down, and then nothing: the next start advances, however often it dies."""
    root = bench.open()
    epoch = root.epoch()
    old = root.seal(SECRET, epoch=epoch, label=LABEL)
    index = root.seal(SECRET, epoch=epoch + 1, label=LABEL)
    root.close()
    for _ in range(3):
        bench.tpm.cut_power()
        bench.tpm.start()
        again = bench.open()
        again.advance(epoch + 1)
        assert again.open(index, epoch=epoch + 1, label=LABEL) == SECRET
        with pytest.raises(RootLost):
            again.open(old, epoch=epoch, label=LABEL)


def test_a_tpm_that_goes_and_comes_back(bench: TpmRootBench) -> None:
    root = bench.open()
    epoch = root.epoch()
    blob = root.seal(SECRET, epoch=epoch, label=LABEL)
    bench.tpm.cut_power()
    calls: tuple[Callable[[], object], ...] = (
        root.epoch,
        lambda: root.seal(SECRET, epoch=epoch, label=LABEL),
        lambda: root.open(blob, epoch=epoch, label=LABEL),
        lambda: root.advance(epoch + 1),
        lambda: root.evidence(bytes(32)),
        bench.open,
    )
    for call in calls:
        with pytest.raises(RootUnavailable, match="there is no TPM at"):
            call()
    bench.tpm.start()
    assert root.open(blob, epoch=epoch, label=LABEL) == SECRET


def test_two_programs_that_advance_at_once_advance_once(bench: TpmRootBench) -> None:
    roots = [bench.open() for _ in range(3)]
    epoch = roots[0].epoch()
    threads = [threading.Thread(target=root.advance, args=(epoch + 1,)) for root in roots]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert roots[0].epoch() == epoch + 1


def test_a_file_that_is_gone_or_damaged(bench: TpmRootBench) -> None:
    root = bench.open()
    blob = root.seal(SECRET, epoch=root.epoch(), label=LABEL)
    data = bench.state.read_bytes()
    bench.state.write_bytes(data[:-1])
    with pytest.raises(RootLost, match="not the file of a TPM root"):
        bench.open()
    bench.state.write_bytes(data)
    bench.state.chmod(0o644)
    with pytest.raises(RootUnavailable, match="chmod 600"):
        bench.open()
    bench.state.unlink()
    with pytest.raises(RootLost, match="file of this TPM root is gone"):
        root.advance(root.epoch() + 1)
    other = bench.open()
    with pytest.raises(RootLost):
        other.open(blob, epoch=other.epoch(), label=LABEL)
