from hallmark_client.device.life.standing import Standing
from hallmark_client.watch.decisions import NotGranted, Use
from hallmark_client.watch.snapshot import WatchSnapshot
from unit.hallmark_client.device.life.conftest import DEVICE, NOW, artifact


class Read:
    """Feeds that count how often they are read."""

    def __init__(self) -> None:
        self.times = 0

    def snapshot(self) -> WatchSnapshot:
        self.times += 1
        return WatchSnapshot(subjects=(), listed={}, epochs={}, sequences={}, fresh_at=None, proven_time=NOW)

    def decision(self, subject: str) -> Use:
        return Use(subject=subject, lease="one", decision=NotGranted())


def test_before_it_knows_a_device_nothing_may_be_used() -> None:
    standing = Standing()
    assert standing.told().blocked == "NOT_ENROLLED"
    assert standing.decision("x").lease == ""


def test_the_feeds_are_read_after_a_change_and_not_at_every_use() -> None:
    standing, feeds = Standing(), Read()
    standing.attach(feeds, device=DEVICE, doomed=frozenset)  # type: ignore[arg-type]
    for _ in range(3):
        assert not standing.told().blocked
    assert feeds.times == 1
    standing.changed()
    standing.told()
    standing.told()
    assert feeds.times == 2
    assert standing.decision("x").lease == "one"


def test_what_is_doomed_is_denied_from_the_change_on() -> None:
    standing, doomed = Standing(), {"before"}
    standing.attach(Read(), device=DEVICE, doomed=lambda: frozenset(doomed))  # type: ignore[arg-type]
    assert standing.told().doomed == {"before"}
    doomed.add(artifact().subject)
    standing.changed()
    assert standing.told().doomed == {"before", artifact().subject}


def test_a_change_while_it_is_read_is_not_lost() -> None:
    standing, doomed = Standing(), set()

    class Late(Read):
        def snapshot(self) -> WatchSnapshot:
            if self.times == 0:
                standing.changed()
            return super().snapshot()

    feeds = Late()
    standing.attach(feeds, device=DEVICE, doomed=lambda: frozenset(doomed))  # type: ignore[arg-type]
    standing.told()
    doomed.add("x")
    assert standing.told().doomed == {"x"}
    standing.told()
    assert feeds.times == 2
