import threading

import pytest

from hallmark_client.device.life.shared_root import SharedRoot
from hallmark_client.device.roots.memory import MemoryRoot


class Alone(MemoryRoot):
    """Finds out whether two were in it at once."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = self.most = 0

    def epoch(self) -> int:
        self.inside += 1
        self.most = max(self.most, self.inside)
        threading.Event().wait(0.001)
        self.inside -= 1
        return super().epoch()


def test_one_caller_at_a_time() -> None:
    root = Alone()
    shared = SharedRoot(root)
    threads = [threading.Thread(target=shared.epoch) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert root.most == 1


def test_it_is_the_root_itself() -> None:
    root = MemoryRoot()
    shared = SharedRoot(root)
    blob = shared.seal(b"secret", epoch=1, label=b"kek")
    assert shared.open(blob, epoch=1, label=b"kek") == b"secret"
    shared.advance(2)
    assert (shared.epoch(), shared.facts, shared.evidence(bytes(32))) == (2, root.facts, None)
    with pytest.raises(ValueError, match=r".+"):
        shared.advance(9)
    shared.close()
