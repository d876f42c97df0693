import logging

import pytest

from hsm.errors import TokenUnavailable, UnsupportedAlgorithm
from hsm.testing import FakeKeyProvider, Operation
from kms.log.errors import LogForked, LogRolledBack
from kms.log.memory.guard_token import GuardToken
from kms.log.model import PublishedCheckpoint, TreeHead
from support.clock import FakeClock

ORIGIN = "log.example/hallmark"


def checkpoint(size: int) -> PublishedCheckpoint:
    return PublishedCheckpoint(TreeHead(size, size.to_bytes(32, "big")), b"")


class World:
    def __init__(self) -> None:
        self.provider, self.clock = FakeKeyProvider(), FakeClock()

    def token(self, interval_seconds: float = 60) -> GuardToken:
        return GuardToken(self.provider, self.clock, interval_seconds=interval_seconds)

    @property
    def stored(self) -> int | None:
        data = self.provider._token.data.get(f"hallmark-log {ORIGIN}")
        return None if data is None else int(data.split(b"\n")[1])


@pytest.fixture
async def world() -> World:
    world = World()
    await world.provider.start()
    return world


async def test_at_start_at_intervals_and_at_close(world: World) -> None:
    token = world.token()
    assert await token.recall(ORIGIN) is None
    for seconds, size, expected in ((0, 1, 1), (30, 2, 1), (31, 3, 3), (1, 4, 3)):
        world.clock.advance(seconds)
        await token.remember(ORIGIN, checkpoint(size))
        assert world.stored == expected
    await token.close()
    assert world.stored == 4
    seen = await world.token().recall(ORIGIN)
    assert seen is not None
    assert (seen.origin, seen.head, seen.where) == (ORIGIN, checkpoint(4).head, "the token")


async def test_logs_that_share_a_token_do_not_meet(world: World) -> None:
    token = world.token()
    await token.remember(ORIGIN, checkpoint(9))
    assert await world.token().recall("log.example/other") is None


async def test_of_several_the_largest_counts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = tuple(f"{ORIGIN}\n{size}\n{'A' * 43}=\n".encode() for size in (3, 7, 5))

    async def several(_name: str) -> tuple[bytes, ...]:
        return texts

    monkeypatch.setattr(world.provider, "read_data", several)
    seen = await world.token().recall(ORIGIN)
    assert seen is not None
    assert seen.head.size == 7


@pytest.mark.parametrize("data", [b"\xff", b"x"])
async def test_what_can_not_be_read_is_not_taken_for_nothing(world: World, data: bytes) -> None:
    world.provider._token.data[f"hallmark-log {ORIGIN}"] = data
    with pytest.raises(LogForked, match="the token cannot be read"):
        await world.token().recall(ORIGIN)


async def test_a_token_without_data_objects_is_said_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    token = world.token(0)
    world.provider.fail_next(Operation.DATA, UnsupportedAlgorithm("this token keeps no data objects"), times=9)
    with caplog.at_level(logging.WARNING, logger="kms.log.memory.guard_token"):
        assert await token.recall(ORIGIN) is None
        for size in (1, 2, 3):
            await token.remember(ORIGIN, checkpoint(size))
        await token.close()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "this token keeps no data objects" in caplog.text
    assert len(world.provider._failures[Operation.DATA]) == 8, "it was not asked again"


async def test_a_token_that_was_away_is_compared_before_it_is_written(world: World) -> None:
    await world.token().remember(ORIGIN, checkpoint(9))
    token = world.token(0)
    world.provider.fail_next(Operation.DATA, TokenUnavailable("gone"))
    assert await token.recall(ORIGIN) is None
    with pytest.raises(LogRolledBack, match="size 9 was published, the database holds only 5 entries; the token shows"):
        await token.remember(ORIGIN, checkpoint(5))
    assert world.stored == 9


async def test_a_token_that_fails_holds_nothing_up(world: World) -> None:
    token = world.token(0)
    world.provider.fail_next(Operation.DATA, TokenUnavailable("gone"), times=3)
    await token.remember(ORIGIN, checkpoint(1))
    await token.remember(ORIGIN, checkpoint(2))
    world.provider._failures[Operation.DATA].clear()
    await token.remember(ORIGIN, checkpoint(3))
    assert world.stored == 3
