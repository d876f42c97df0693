"""A signature at one replica while another one stops the version: whoever commits first is right.

And a new key whose commit was stored while the connection was lost: its private half must not be thrown away.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from kms.core.database import Database
from kms.core.errors import FailedPrecondition, OutcomeUnknown
from kms.core.names import KeyName, KeyVersionName
from kms.keys import signing_store
from kms.keys.inputs import SignInput
from kms.keys.model import KeyVersionState
from kms.keys.revoking import revoke_in
from kms.keys.signing import SigningService
from kms.keys.usage import UseRates
from support.clock import START
from support.keys_world import KeysWorld, keys_world
from support.postgresql import PostgresqlServer

NAME = KeyName("default", "manifest")
VERSION = KeyVersionName("default", "manifest", 1)


@pytest.fixture
async def world(tmp_path: Path, postgresql_tables: str) -> AsyncIterator[KeysWorld]:
    async with keys_world(tmp_path, postgresql_tables) as world:
        await world.create()
        yield world


@pytest.fixture
async def other(world: KeysWorld) -> AsyncIterator[SigningService]:
    """Another replica's, which remembers the version."""
    base = world.signing
    database = Database(world.world.url)
    service = SigningService(database, base.provider, base.log, base.randomness, UseRates(world.world.clock))
    yield service
    database.close()


async def _sign(world: KeysWorld, service: SigningService, data: bytes):
    return await service.sign(
        NAME, SignInput(data=data), request=world.request(data), now=world.world.clock.now(), published=False
    )


def _slowly(work: Callable[[sa.Connection], object], done: threading.Event, commit: threading.Event):
    """Its locks are held until `commit`."""

    def piece(tx: sa.Connection) -> None:
        work(tx)
        done.set()
        assert commit.wait(20)

    return piece


async def test_what_waited_for_a_revocation_sees_it(world: KeysWorld, other: SigningService) -> None:
    """The state stands in another row than the lock that is waited for: it must be read after the wait."""
    await _sign(world, other, b"warm")
    done, commit = threading.Event(), threading.Event()

    def revoke(tx: sa.Connection) -> None:
        revoke_in(tx, NAME, compromised=True, effective_time=START, now=START)

    revoking = asyncio.create_task(world.world.database.write(_slowly(revoke, done, commit)))
    assert await asyncio.to_thread(done.wait, 20)
    looking = asyncio.create_task(other.database.write(lambda tx: signing_store.version_facts(tx, VERSION)))
    signing = asyncio.create_task(_sign(world, other, b"at the same time"))
    await asyncio.sleep(0.3)
    assert not looking.done(), "it waits for the lock"
    assert not signing.done()
    commit.set()
    await revoking
    facts = await looking
    assert facts is not None
    assert facts.state is KeyVersionState.COMPROMISED
    with pytest.raises(FailedPrecondition):
        await signing


async def test_what_signed_first_is_waited_for(world: KeysWorld, other: SigningService) -> None:
    done, commit = threading.Event(), threading.Event()
    looks: list[signing_store.VersionFacts | None] = []
    signing = asyncio.create_task(
        other.database.write(_slowly(lambda tx: looks.append(signing_store.version_facts(tx, VERSION)), done, commit))
    )
    assert await asyncio.to_thread(done.wait, 20)
    revoking = asyncio.create_task(world.revoke(NAME))
    await asyncio.sleep(0.3)
    assert not revoking.done(), "a revocation is answered when nothing that looked before it can commit any more"
    commit.set()
    await asyncio.gather(signing, revoking)
    assert looks[0] is not None
    assert looks[0].state is KeyVersionState.ACTIVE
    with pytest.raises(FailedPrecondition):
        await _sign(world, other, b"afterwards")


async def test_a_key_that_was_stored_without_an_answer_keeps_its_private_half(
    world: KeysWorld, postgresql: PostgresqlServer, postgresql_tables: str
) -> None:
    request = world.request(b"other")
    with postgresql.unanswered_commits():
        creating = asyncio.create_task(world.create("other", request=request))
        await asyncio.sleep(0.5)
        assert not creating.done()
        await asyncio.to_thread(postgresql.end_connections, postgresql_tables)
        with pytest.raises(OutcomeUnknown):
            await creating
    again = await world.create("other", request=request)
    assert [version.name.version for version in again.versions] == [1], "the answer of the first call"
    assert (await world.sign(b"with it", KeyName("default", "other"))).signature
