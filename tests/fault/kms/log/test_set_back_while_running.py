"""A standby that lags, or an old backup, takes the place of the database while the log runs (PostgreSQL).

The log notices before it signs: what it has published it remembers itself.
"""

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa

from kms import migrations
from kms.core.errors import Unavailable
from kms.log.errors import LogForked, LogFrozen, LogRolledBack
from kms.log.model import promise_of
from kms.log.rounds.sequencing import DirectEntry
from support.log_world import LogWorld
from support.postgresql import PostgresqlServer


async def _grow(world: LogWorld, count: int) -> None:
    await world.act(count)
    await world.log.step()


async def _set_back(world: LogWorld, postgresql: PostgresqlServer, url: str) -> None:
    """`old` was copied when the log had 5 entries."""
    name = sa.make_url(url).database
    await world.close()
    postgresql.execute(f'CREATE DATABASE "{name}_old" TEMPLATE "{name}"')
    await world.open()
    await world.log.prepare()
    await _grow(world, 5)
    postgresql.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    postgresql.execute(f'ALTER DATABASE "{name}_old" RENAME TO "{name}"')


@pytest.mark.parametrize("count", [1, 5, 12], ids=["smaller", "as-large", "larger"])
async def test_it_freezes(postgresql: PostgresqlServer, tmp_path: Path, count: int) -> None:
    """With so many entries more, the old database is smaller than what was published, as large, or larger."""
    with postgresql.database() as url:
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        migrations.upgrade(engine)
        world = LogWorld(tmp_path, url=url)
        await world.open()
        await world.log.prepare()
        await _grow(world, 5)
        await _set_back(world, postgresql, url)
        signed, shown = world.provider.signatures_released, len(world.audited.shown)
        await _act_until_reconnected(world, count)
        with pytest.raises(LogFrozen) as refused:
            await world.log.step()
        assert isinstance(refused.value, LogRolledBack if count < 5 else LogForked)
        assert str(refused.value).startswith("the transparency log refuses to sign: ")
        assert (world.provider.signatures_released, len(world.audited.shown)) == (signed, shown)
        await world.reopen()
        with pytest.raises(LogFrozen):
            await world.log.prepare()
        assert (world.provider.signatures_released, len(world.audited.shown)) == (signed, shown)
        await world.close()


async def test_who_waits_is_told(postgresql: PostgresqlServer, tmp_path: Path) -> None:
    """The loops run: they freeze the log by themselves, and nobody gets a proof."""
    with postgresql.database() as url:
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        migrations.upgrade(engine)
        world = LogWorld(tmp_path, url=url, poll_seconds=0.05)
        await world.open()
        await world.log.prepare()
        await _grow(world, 5)
        await _set_back(world, postgresql, url)
        world.log.run_beside("sequencer", world.log._sequencer.run)
        world.log.run_beside("checkpoints", world.log._checkpoints.run)
        shown = len(world.audited.shown)
        with pytest.raises(LogFrozen):
            await _append_until_frozen(world)
        assert len(world.audited.shown) == shown
        with pytest.raises(LogFrozen):
            await world.act()
        await world.close()
        assert len(world.audited.shown) == shown


async def _append_until_frozen(world: LogWorld) -> None:
    for _ in range(200):
        entry = world.entry()
        direct = DirectEntry(promise_of(entry.event_key, entry.encode()))
        try:
            await world.log.append([direct], published=True)
        except Unavailable:
            await asyncio.sleep(0.02)


async def _act_until_reconnected(world: LogWorld, count: int) -> None:
    for _ in range(50):
        try:
            await world.act(count)
        except Unavailable:
            await asyncio.sleep(0.02)
        else:
            return
    raise AssertionError("it does not come back")
