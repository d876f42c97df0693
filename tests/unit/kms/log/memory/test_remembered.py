"""A home that was restored as a whole, public files included: only what lies elsewhere can tell."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hsm.testing import Operation
from kms.log.errors import LogForked, LogRolledBack
from kms.log.memory.guard_file import GuardFile
from kms.log.memory.guard_token import GuardToken
from support.log_world import LogWorld


class RestoredHome:
    """`set_back` gives the home of a moment ago: database and public files."""

    def __init__(self, world: LogWorld, elsewhere: Path) -> None:
        self.world = world
        self.path = elsewhere / "log-guard"
        self.with_file = self.with_token = True

    async def publish(self, count: int) -> None:
        await self.world.act(count)
        await self.world.log.step()

    async def open(self) -> None:
        world = self.world
        world.memories = [GuardFile(self.path)] if self.with_file else []
        if self.with_token:
            world.memories.append(GuardToken(world.provider, world.clock, interval_seconds=60))
        await world.open()

    async def start(self) -> None:
        await self.open()
        await self.world.log.prepare()

    async def keep(self):
        await self.world.close()
        kept = self.world.backup(), dict(self.world.audited.contents), list(self.world.audited.shown)
        await self.start()
        return kept

    async def set_back(self, kept) -> None:
        await self.world.close()
        database, self.world.audited.contents, self.world.audited.shown = kept
        self.world.restore(database)


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[RestoredHome]:
    (tmp_path / "home").mkdir()
    home = RestoredHome(LogWorld(tmp_path / "home"), tmp_path / "elsewhere")
    await home.start()
    await home.publish(5)
    yield home
    await home.world.close()


async def test_nothing_was_set_back(home: RestoredHome) -> None:
    for _ in range(3):
        await home.publish(1)
        await home.world.close()
        await home.start()


@pytest.mark.parametrize(
    ("with_file", "with_token", "where"),
    [(True, False, "the guard file /"), (False, True, "the token shows it"), (True, True, "log-guard and the token")],
)
async def test_it_is_noticed(home: RestoredHome, with_file: bool, with_token: bool, where: str) -> None:
    kept = await home.keep()
    await home.publish(3)
    home.with_file, home.with_token = with_file, with_token
    await home.set_back(kept)
    signed = home.world.provider.signatures_released
    with pytest.raises(LogRolledBack, match="size 8 was published, the database holds only 5 entries") as caught:
        await home.start()
    assert where in str(caught.value)
    assert "Restore a newer one" in str(caught.value)
    assert home.world.provider.signatures_released == signed


async def test_with_all_memories_inside_the_home_nobody_can_tell(home: RestoredHome) -> None:
    """The reason for the setting: this is what an operator who keeps everything in one place gives up."""
    kept = await home.keep()
    await home.publish(3)
    home.with_file = home.with_token = False
    await home.set_back(kept)
    await home.start()


async def test_a_home_that_was_set_back_and_went_on_is_noticed(home: RestoredHome) -> None:
    kept = await home.keep()
    await home.publish(3)
    home.with_file = home.with_token = False
    await home.set_back(kept)
    await home.start()
    await home.publish(4)
    await home.world.close()
    home.with_file = True
    with pytest.raises(LogForked, match=r"the guard file .* shows the root [0-9a-f]{64} for size 8, the database has"):
        await home.start()


async def test_the_largest_memory_speaks(home: RestoredHome) -> None:
    kept = await home.keep()
    await home.publish(2)
    await home.publish(2)  # the token was not asked again
    await home.set_back(kept)
    home.world.provider._token.data = {
        name: value.replace(b"\n9\n", b"\n7\n") for name, value in home.world.provider._token.data.items()
    }
    with pytest.raises(LogRolledBack, match="size 9 was published"):
        await home.start()


async def test_a_new_database_behind_an_old_memory_is_refused(home: RestoredHome, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    new = LogWorld(tmp_path / "new")
    new.memories = [GuardFile(home.path)]
    await new.open()
    with pytest.raises(LogRolledBack, match="size 5 was published, the database holds only 0 entries"):
        await new.log.prepare()
    assert new.provider._token._keys == {}, "no keys were made"
    await new.close()


async def test_what_was_not_remembered_is_not_published(home: RestoredHome, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(_origin: str, _published: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(home.world.memories[0], "remember", full)
    shown = len(home.world.audited.shown)
    await home.world.act()
    with pytest.raises(OSError, match="no space"):
        await home.world.log.step()
    assert len(home.world.audited.shown) == shown
    monkeypatch.undo()
    await home.world.log.step()
    assert home.world.audited.shown[-1].size == 6


async def test_a_memory_that_is_new_learns_at_start_and_none_is_set_back(home: RestoredHome, tmp_path: Path) -> None:
    await home.world.close()
    home.path = tmp_path / "new" / "log-guard"
    await home.start()
    seen = await GuardFile(home.path).recall("")
    assert seen is not None
    assert seen.head.size == 5
    shown = dict(home.world.audited.contents)
    await home.publish(2)
    await home.world.close()
    home.world.audited.contents = shown  # the public folder alone is set back: the database publishes again
    await home.start()
    seen = await GuardFile(home.path).recall("")
    assert seen is not None
    assert seen.head.size == 7


async def test_the_service_starts_without_its_token_when_the_file_agrees(home: RestoredHome) -> None:
    from hsm.errors import TokenUnavailable

    await home.world.close()
    home.world.provider.fail_next(Operation.DATA, TokenUnavailable("gone"), times=2)
    await home.start()
    await home.publish(1)
