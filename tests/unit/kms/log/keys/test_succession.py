"""One log after another, with every step killed once."""

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from hallmark_tlog.audit import audit
from hallmark_tlog.errors import SuccessionError
from hallmark_tlog.proof import verify_proof
from hallmark_tlog.succession import Statement, verify_succession
from hallmark_tlog.verify import Require
from hsm.errors import TokenUnavailable
from hsm.testing import Operation
from kms.core.errors import FailedPrecondition, NotFound
from kms.log import store
from kms.log.errors import EventRecordedTwice, LogClosing, LogForked, LogRolledBack, OriginChanged
from kms.log.keys import archive, succession_store
from kms.log.keys.key_life import LogKeyLife
from kms.log.keys.keys import keys_of_every_log
from kms.log.keys.succession import Rollback, Succession, check_not_closing, publish_chain
from kms.log.memory import guard
from kms.log.memory.guard_file import GuardFile
from kms.log.model import LogSettings
from kms.public.below import below
from support.log_world import ORIGIN, LogWorld
from support.public_files import AuditedPublicFiles, MemoryPublicFiles

NEXT = "log.example/next"
_AT_ONCE = {"min_checkpoint_interval_seconds": 0, "calm_checkpoint_interval_seconds": 0}


class Chain:
    """The log of `world`, and those that follow it. `root` holds all public files."""

    def __init__(self, world: LogWorld) -> None:
        self.world = world
        self.root = world.audited

    async def succeed(self, origin: str = NEXT, rollback: Rollback | None = None):
        world = self.world
        return await Succession(world.database, world.provider, world.log, world.clock).run(origin, rollback=rollback)

    async def restart(self, origin: str = NEXT) -> None:
        """As the service starts after it: below the prefix."""
        world = self.world
        await world.close()
        world.settings = LogSettings(origin=origin, **_AT_ONCE)
        await world.open()
        prefix = await world.read(succession_store.stored_prefix)
        self.live = AuditedPublicFiles(origin)
        world.files = below(MirroredFiles(self.root), prefix)
        world.log = world.on_same_data(world.files)
        await world.log.prepare()
        await publish_chain(world.database, self.root)
        await world.log.step()

    async def statement(self, event_key: str) -> Statement:
        proof = await self.world.log.inclusion_proof(event_key)
        assert proof.tlog_proof is not None
        return Statement(proof.entry.data, proof.tlog_proof)


class MirroredFiles(MemoryPublicFiles):
    """The same contents as `other`, without its audit of the path `checkpoint`."""

    def __init__(self, other: MemoryPublicFiles) -> None:
        super().__init__()
        self.contents = other.contents


@pytest.fixture
async def chain(world: LogWorld) -> Chain:
    for count in (300, 5):
        await world.act(count)
        await world.log.step()
    return Chain(world)


async def entries_of(chain: Chain, table: str) -> list[dict]:
    query = sa.text(f"SELECT data FROM {table} ORDER BY idx")
    return [json.loads(data) for data in await chain.world.read(lambda tx: tx.execute(query).scalars().all())]


async def test_the_new_log_follows_the_old_one_for_who_trusts_the_old_keys(chain: Chain) -> None:
    old_vkeys = chain.world.log.verifier_keys()
    await chain.world.act(3)  # still queued
    done = await chain.succeed()
    assert (done.predecessor, done.final.size, done.origin, done.prefix) == (ORIGIN, 309, NEXT, "logs/2/")
    await chain.restart()
    closing = (await entries_of(chain, "tlog_closed_entry"))[-1]
    opening = (await entries_of(chain, "tlog_entry"))[0]
    fact = verify_succession(await chain.statement(closing["id"]), await chain.statement(opening["id"]), old_vkeys)
    assert (fact.final.origin, fact.final.size, fact.final.root) == (ORIGIN, 309, done.final.root)
    assert (fact.origin, list(fact.vkeys)) == (NEXT, chain.world.log.verifier_keys())
    assert set(fact.vkeys).isdisjoint(old_vkeys)
    with pytest.raises(SuccessionError):
        verify_succession(await chain.statement(opening["id"]), await chain.statement(closing["id"]), list(fact.vkeys))


async def test_it_is_the_same_on_postgresql(tmp_path: Path, postgresql_tables: str) -> None:
    world = LogWorld(tmp_path, url=postgresql_tables)
    await world.open()
    await world.log.prepare()
    await world.act(300)
    chain = Chain(world)
    old_vkeys = world.log.verifier_keys()
    await chain.succeed()
    await chain.restart()
    closing = (await entries_of(chain, "tlog_closed_entry"))[-1]
    opening = (await entries_of(chain, "tlog_entry"))[0]
    fact = verify_succession(await chain.statement(closing["id"]), await chain.statement(opening["id"]), old_vkeys)
    assert (fact.final.size, fact.origin) == (301, NEXT)
    entry = json.loads(world.recorded[0].entry)
    with pytest.raises(EventRecordedTwice):
        await world.database.write(lambda tx: store.enqueue(tx, [(entry["id"], b"x")]))
    await world.close()


async def test_old_files_stay_and_new_ones_lie_below_their_prefix(chain: Chain) -> None:
    old_vkeys = chain.world.log.verifier_keys()
    await chain.succeed()
    final = dict(chain.root.contents)
    await chain.restart()
    await chain.world.act(300)
    await chain.world.log.step()
    after = chain.root.contents
    assert {path: after[path] for path in final} == final
    new = {path for path in after.keys() - final.keys() if path != "logs.json"}
    assert {path.split("/tile/")[0] for path in new if "/tile/" in path} == {"logs/2"}
    assert all(path.startswith("logs/2/") for path in new)
    assert audit(chain.root.fetch, old_vkeys, origin=ORIGIN, require=Require.ALL).entries_verified == 306
    report = audit(
        lambda path: chain.root.fetch(f"logs/2/{path}"),
        chain.world.log.verifier_keys(),
        origin=NEXT,
        require=Require.ALL,
    )
    assert report.entries_verified == 301


async def test_the_chain_is_public(chain: Chain) -> None:
    await publish_chain(chain.world.database, chain.root)
    assert "logs.json" not in chain.root.contents, "one log is no chain"
    done = await chain.succeed()
    await chain.restart()
    logs = json.loads(chain.root.contents["logs.json"])["logs"]
    assert [(log["origin"], log["prefix"], log["closed"]) for log in logs] == [
        (ORIGIN, "", True),
        (NEXT, "logs/2/", False),
    ]
    assert (logs[0]["size"], logs[0]["root"]) == (306, done.final.root.hex())
    assert logs[1]["vkeys"] == [str(key) for key in chain.world.log.verifier_keys()] == list(done.verifier_keys)


async def test_entries_of_a_closed_log_are_proved_by_its_own_keys(chain: Chain) -> None:
    old_vkeys = chain.world.log.verifier_keys()
    await chain.succeed()
    await chain.restart()
    for promise in (chain.world.recorded[0], chain.world.recorded[255], chain.world.recorded[-1]):
        proof = await chain.world.log.inclusion_proof(promise.event_key)
        assert proof.tree_size == 306
        verify_proof(proof.tlog_proof or b"", promise.entry, old_vkeys, origin=ORIGIN, require=Require.ALL)
    with pytest.raises(NotFound):
        await chain.world.log.inclusion_proof("never")


async def test_an_event_of_a_closed_log_is_not_recorded_again(chain: Chain) -> None:
    world = chain.world
    entry = world.entry()
    await world.database.write(lambda tx: world.log.record(tx, entry))
    await world.log.step()
    await chain.succeed()
    await chain.restart()
    with pytest.raises(EventRecordedTwice, match=entry.event_key):
        await world.database.write(lambda tx: world.log.record(tx, entry))
    assert await world.read(lambda tx: archive.find_keys(tx, [entry.event_key, "x"])) == [entry.event_key]


async def test_the_old_name_is_refused_afterwards(chain: Chain) -> None:
    await chain.succeed()
    with pytest.raises(OriginChanged, match=NEXT):
        await chain.restart(ORIGIN)


async def test_the_log_goes_on_and_can_be_followed_again(chain: Chain) -> None:
    await chain.succeed()
    await chain.restart()
    await chain.world.act(10)
    await chain.world.log.step()
    with pytest.raises(FailedPrecondition, match="choose a new name"):
        await chain.succeed(ORIGIN)
    done = await chain.succeed("log.example/third")
    assert (done.predecessor, done.final.size, done.prefix) == (NEXT, 12, "logs/3/")
    await chain.restart("log.example/third")
    life = LogKeyLife(chain.world.database, chain.world.provider, chain.world.log)
    assert len(await life.list()) == 6
    first = await chain.world.log.inclusion_proof(chain.world.recorded[0].event_key)
    assert first.tree_size == 306


async def test_once_done_it_stays_done(chain: Chain) -> None:
    done = await chain.succeed()
    assert await chain.succeed() == done
    with pytest.raises(FailedPrecondition):
        await Succession(chain.world.database, chain.world.provider, chain.world.log, chain.world.clock).run(ORIGIN)


async def test_a_succession_that_was_begun_keeps_its_name(chain: Chain) -> None:
    chain.world.provider.fail_next(Operation.SIGN, TokenUnavailable("gone"), times=9)
    with pytest.raises(TokenUnavailable):
        await chain.succeed()
    with pytest.raises(LogClosing, match="Run `hallmark log succeed` again"):
        await check_not_closing(chain.world.database)
    with pytest.raises(FailedPrecondition, match=f"a succession to {NEXT} was begun"):
        await chain.succeed("log.example/other")
    chain.world.provider._failures[Operation.SIGN].clear()
    assert (await chain.succeed()).origin == NEXT
    await check_not_closing(chain.world.database)
    assert len(await chain.world.read(keys_of_every_log)) == 4, "no keys were made twice"


async def test_entries_that_come_behind_the_closing_one_are_closed_over(chain: Chain) -> None:
    world = chain.world
    step = world.log.step

    async def busy() -> None:
        await step()
        if busy_times:
            busy_times.pop()
            await world.act()

    busy_times = [1, 2]
    world.log.step = busy  # type: ignore[method-assign]
    done = await chain.succeed()
    last = (await entries_of(chain, "tlog_closed_entry"))[-1]
    assert (last["type"], done.final.size) == ("log.closed", 305 + 2 + 3)
    assert await world.read(store.is_queue_empty)


async def test_a_log_that_is_never_quiet_is_not_closed(chain: Chain) -> None:
    step = chain.world.log.step

    async def busy() -> None:
        await step()
        await chain.world.act()

    chain.world.log.step = busy  # type: ignore[method-assign]
    with pytest.raises(FailedPrecondition, match="stop every server"):
        await chain.succeed()
    assert await chain.world.read(store.find_origin) == ORIGIN


async def test_memories_follow(chain: Chain, tmp_path: Path) -> None:
    guard_file = GuardFile(tmp_path / "elsewhere")
    chain.world.memories = [guard_file]
    await chain.world.reopen()
    await chain.world.log.prepare()
    await chain.succeed()
    await chain.restart()
    await chain.restart()
    seen = await guard_file.recall(NEXT)
    assert seen is not None
    assert (seen.origin, seen.head.size) == (NEXT, 1)


async def test_a_backup_from_before_is_refused_by_what_remembers(chain: Chain, tmp_path: Path) -> None:
    world = chain.world
    world.memories = [GuardFile(tmp_path / "elsewhere")]
    await world.close()
    backup, contents = world.backup(), dict(chain.root.contents)
    await world.open()
    await world.log.prepare()
    await chain.succeed()
    await chain.restart()
    await world.close()
    world.restore(backup)
    chain.root.contents.clear()
    chain.root.contents.update(contents)
    world.settings, world.files = LogSettings(origin=ORIGIN, **_AT_ONCE), chain.root
    await world.open()
    with pytest.raises(
        LogForked, match=f"remembers the log '{NEXT}' at size 1; this database holds the log '{ORIGIN}'"
    ):
        await world.log.prepare()


async def test_after_a_rollback_the_old_log_is_left_as_it_was_shown(chain: Chain) -> None:
    world, old_vkeys = chain.world, chain.world.log.verifier_keys()
    await world.close()
    backup = world.backup()
    await world.open()
    await world.log.prepare()
    lost = (await world.act(4))[0]
    await world.log.step()
    shown = await world.log.checkpoint()
    await world.close()
    world.restore(backup)
    await world.open()
    with pytest.raises(LogRolledBack, match="--after-rollback"):
        await world.log.prepare()
    (seen,) = await world.log.seen()
    assert (seen.head, seen.note) == (shown.head, shown.note)
    done = await chain.succeed(rollback=Rollback(seen.head, seen.note))
    assert done.final == shown.head
    await chain.restart()
    opening = (await entries_of(chain, "tlog_entry"))[0]
    assert (opening["type"], opening["details"]["predecessor_kept"]) == ("log.opened_after_loss", 305)
    assert opening["details"]["predecessor_size"] == 309
    assert audit(chain.root.fetch, old_vkeys, origin=ORIGIN).entries_verified == 309, "as it was published"
    for promise in (lost, world.recorded[0]):
        with pytest.raises(NotFound):  # no longer proved from the database; the public files still do
            await world.log.inclusion_proof(promise.event_key)
    await world.act()
    await world.log.step()
    await world.read(guard.self_check)
