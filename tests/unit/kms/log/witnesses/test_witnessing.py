"""The log with witnesses over HTTP on loopback: what is published, stored, served and believed."""

import asyncio
import dataclasses
import logging
import time
from collections.abc import AsyncIterator, Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from hallmark_tlog.by_policy import open_checkpoint_by_policy
from hallmark_tlog.checkpoint import parse_checkpoint
from hallmark_tlog.cosignature import message_to_sign, signature_line
from hallmark_tlog.errors import QuorumNotReached
from hallmark_tlog.note import Note, parse_note
from hallmark_tlog.policy import Policy, parse_policy
from hallmark_tlog.proof import parse_proof
from hallmark_tlog.vkey import KeyType
from hallmark_tlog.witness import parse_add_checkpoint
from hallmark_tlog.witness_server import Reply
from kms.log import store
from kms.log.errors import LogForked, LogRolledBack
from kms.log.model import TreeHead
from kms.log.rounds.checkpoints import intend
from kms.log.witnesses.pursuit import Standing
from kms.log.witnesses.settings import WitnessMode, WitnessSettings
from kms.log.witnesses.witnessing import QuorumMissing
from support import witnesses
from support.log_world import ORIGIN, LogWorld
from support.public_files import AuditedPublicFiles
from support.witnesses import LoopbackWitness, policy_text, running

QUICK = {"timeout_seconds": 0.5, "interval_seconds": 0.0}


class WitnessedWorld(LogWorld):
    """Three witnesses, two of which are enough: Ed25519, ML-DSA-44, and one with a key of each kind."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.ed25519 = LoopbackWitness("ed25519", KeyType.ED25519_COSIGNATURE)
        self.ml_dsa = LoopbackWitness("ml-dsa", KeyType.ML_DSA_44)
        self.both = LoopbackWitness("both", KeyType.ML_DSA_44, KeyType.ED25519_COSIGNATURE)
        self.all = (self.ed25519, self.ml_dsa, self.both)
        for witness in self.all:
            witness.clock = lambda: self.clock.now().timestamp()

    async def begin(self, mode: WitnessMode, **settings: float) -> None:
        """Prepared, and the witnesses know its keys."""
        policy = parse_policy(policy_text(*self.all, quorum=2))
        wanted = WitnessSettings(policy=policy, mode=mode, **{**QUICK, **settings})
        self.settings = dataclasses.replace(self.settings, witnesses=wanted)
        await self.open()
        await self.log.prepare()
        for witness in self.all:
            witness.trusts(self.log.verifier_keys())

    async def reprepare(self) -> None:
        await self.reopen()
        await self.log.prepare()

    @property
    def policy(self) -> Policy:
        return parse_policy(self.audited.contents["policy"])

    @property
    def shown(self) -> bytes:
        return self.audited.contents["checkpoint"]

    def cosigners(self) -> set[str]:
        """Names in the policy of those whose line is in the published checkpoint; every line is verified."""
        opened = open_checkpoint_by_policy(self.shown, dataclasses.replace(self.policy, quorum="none"), origin=ORIGIN)
        signed = {(signer.name, signer.key_id) for signer in opened.signers}
        return {w.name for w in self.policy.witnesses if (w.cosigner.name, w.cosigner.key_id) in signed}

    async def step_until(self, holds: Callable[[], bool], seconds: float = 5.0) -> None:
        async with asyncio.timeout(seconds):
            while not holds():
                await self.log._checkpoints.step()
                await asyncio.sleep(0.01)

    def standing(self, witness: LoopbackWitness) -> Standing:
        return next(health.standing for health in self.log.witnesses if health.url == witness.url)


EVERYBODY = {"ed25519-0", "ml-dsa-0", "both-0", "both-1"}
OPEN, CLOSED = WitnessMode.OPEN, WitnessMode.CLOSED


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[WitnessedWorld]:
    made = WitnessedWorld(tmp_path)
    with running(*made.all):
        yield made
        await made.close()


# Open mode


async def test_open_publishes_with_the_quorum_and_again_with_what_comes_later(world: WitnessedWorld) -> None:
    await world.begin(OPEN)
    world.both.send = witnesses.waits(0.3)
    await world.act(3)
    await world.log.step()
    assert world.cosigners() == {"ed25519-0", "ml-dsa-0"}
    await world.step_until(lambda: world.cosigners() == EVERYBODY)
    assert [shown.size for shown in world.audited.shown] == [3] * len(world.audited.shown)
    open_checkpoint_by_policy(world.shown, world.policy, origin=ORIGIN)
    assert (await world.log.checkpoint()).note == world.shown
    proof = await world.log.inclusion_proof(1)
    assert parse_proof(proof.tlog_proof).checkpoint == world.shown


async def test_cosignatures_are_shown_while_entries_come_all_the_time(world: WitnessedWorld) -> None:
    for witness in world.all:
        witness.send = witnesses.waits(0.1)
    await world.begin(OPEN, interval_seconds=0.2)
    await world.log.start()
    loop = asyncio.get_running_loop()
    end = loop.time() + 2

    async def append() -> None:
        while loop.time() < end:
            await world.log.confirm_many(await world.act(), published=True)

    seen = []

    async def look() -> None:
        while loop.time() < end:
            seen.append(world.audited.contents.get("checkpoint"))
            await asyncio.sleep(0.02)

    await asyncio.gather(append(), append(), look())
    notes = {note for note in seen if note is not None}
    assert len(notes) >= 4, "the log goes on meanwhile"
    for note in notes:
        open_checkpoint_by_policy(note, world.policy, origin=ORIGIN)


async def test_open_does_not_wait_for_witnesses_that_cannot_be_reached(world: WitnessedWorld) -> None:
    await world.begin(OPEN, timeout_seconds=30.0)
    world.both.stop()
    world.ml_dsa.stop()
    for size in (3, 6):
        await world.act(3)
        async with asyncio.timeout(5):
            await world.log.step()
        assert world.audited.shown[-1].size == size
    assert world.cosigners() == {"ed25519-0"}


async def test_open_waits_no_longer_than_the_timeout(world: WitnessedWorld) -> None:
    await world.begin(OPEN)
    world.both.send = world.ml_dsa.send = witnesses.waits(5.0)
    began = time.monotonic()
    await world.act(3)
    await world.log.step()
    assert time.monotonic() - began < 2
    assert world.audited.shown[-1].size == 3


async def test_a_running_log_publishes_cosignatures_by_itself(world: WitnessedWorld) -> None:
    await world.begin(OPEN)
    await world.log.start()
    promises = await world.act(3)
    await world.log.confirm_many(promises, published=False)
    async with asyncio.timeout(5):
        while world.audited.shown[-1].size != 3 or world.cosigners() != EVERYBODY:  # noqa: ASYNC110 - as a reader does
            await asyncio.sleep(0.02)


async def test_open_goes_on_without_any_witness(world: WitnessedWorld) -> None:
    await world.begin(OPEN)
    for witness in world.all:
        witness.stop()
    began = time.monotonic()
    for size in (3, 6):
        await world.act(3)
        await world.log.step()
        assert world.audited.shown[-1].size == size
    assert time.monotonic() - began < 2
    for witness in world.all:
        witness.start()
    await world.step_until(lambda: world.cosigners() == EVERYBODY, 20)


async def test_requests_are_small_and_have_the_logs_own_lines_only(world: WitnessedWorld) -> None:
    await world.begin(OPEN)
    for count in (3, 300, 1):
        await world.act(count)
        await world.log.step()
        await world.step_until(lambda: world.cosigners() == EVERYBODY)
    for witness in world.all:
        for body in witness.bodies:
            assert len(body) < 16 * 1024
            note = parse_note(parse_add_checkpoint(body).checkpoint)
            assert [line.name for line in note.signatures] == [ORIGIN, ORIGIN]
    assert world.ed25519.statuses.count(200) == 3


async def test_a_refresh_brings_newer_cosignatures_and_keeps_the_old_until_then(world: WitnessedWorld) -> None:
    await world.begin(OPEN)
    await world.act(3)
    await world.log.step()
    await world.step_until(lambda: world.cosigners() == EVERYBODY)
    before = world.shown
    world.clock.advance(700)
    world.ml_dsa.stop()
    await world.log.step()
    assert world.cosigners() == EVERYBODY
    assert parse_note(world.shown).text == parse_note(before).text

    def times() -> dict[str, int]:
        signers = open_checkpoint_by_policy(world.shown, world.policy, origin=ORIGIN).cosigners
        return {signer.name: signer.timestamp for signer in signers}

    now = int(world.clock.now().timestamp())
    await world.step_until(lambda: list(times().values()).count(now) == 2)
    assert times()["witness.example/ml-dsa"] == now - 700
    assert len(parse_note(world.shown).signatures) == 2 + 4, "one line a key"


async def test_no_witnesses_no_quorum_in_the_public_policy(tmp_path: Path) -> None:
    world = LogWorld(tmp_path)
    await world.open()
    await world.log.prepare()
    policy = parse_policy(world.audited.contents["policy"])
    assert [log.vkey for log in policy.logs] == world.log.verifier_keys()
    assert (policy.witnesses, policy.quorum) == ((), "none")
    await world.close()


# Closed mode


async def test_closed_publishes_with_the_quorum_at_once(world: WitnessedWorld) -> None:
    await world.begin(CLOSED)
    world.both.stop()
    await world.act(3)
    await world.log.step()
    assert len(world.audited.shown) == 1
    assert world.cosigners() == {"ed25519-0", "ml-dsa-0"}


async def test_closed_publishes_nothing_without_the_quorum(world: WitnessedWorld) -> None:
    await world.begin(CLOSED)
    world.both.stop()
    world.ml_dsa.stop()
    await world.act(3)
    began = time.monotonic()
    with pytest.raises(QuorumMissing, match="ml-dsa"):
        await world.log.step()
    assert time.monotonic() - began < 1.5
    assert world.audited.shown == []
    [promise] = world.recorded[:1]
    with pytest.raises(Exception, match="no checkpoint is published yet"):
        await world.log.inclusion_proof(promise.event_key)
    world.ml_dsa.start()
    async with asyncio.timeout(15):
        while not await world.log._checkpoints.attempt():
            pass
    open_checkpoint_by_policy(world.shown, world.policy, origin=ORIGIN)


async def test_who_waits_hears_that_witnesses_are_missing(world: WitnessedWorld) -> None:
    await world.begin(CLOSED)
    for witness in world.all:
        witness.stop()
    await world.log.start()
    [promise] = await world.act()
    with pytest.raises(QuorumMissing, match="is committed, its checkpoint waits for witnesses"):
        await world.log.confirm(promise, published=True, timeout_seconds=1.2)
    for witness in world.all:
        witness.start()
    confirmed = await world.log.confirm(promise, published=True, timeout_seconds=20)
    open_checkpoint_by_policy(parse_proof(confirmed.tlog_proof).checkpoint, world.policy, origin=ORIGIN)


async def test_a_slow_witness_delays_nobody(world: WitnessedWorld) -> None:
    await world.begin(CLOSED, timeout_seconds=3.0)
    world.ml_dsa.send = witnesses.waits(2.0)
    await world.act(3)
    began = time.monotonic()
    await world.log.step()
    assert time.monotonic() - began < 1.0
    assert world.cosigners() >= {"ed25519-0", "both-0"}


@pytest.mark.parametrize(
    ("behaviour", "standing"),
    [
        (witnesses.spoilt, Standing.REFUSES),
        (witnesses.untyped_conflict, Standing.CONTRADICTS),
        (witnesses.huge, Standing.AWAY),
        (witnesses.busy, Standing.AWAY),
        (witnesses.drips, Standing.AWAY),
        (witnesses.redirects("http://127.0.0.1:9/"), Standing.REFUSES),
        (witnesses.claims(10**9), Standing.CONTRADICTS),
        (witnesses.claims(0), Standing.CONTRADICTS),
    ],
    ids=["spoilt", "untyped-conflict", "huge", "busy", "drips", "redirect", "large-size", "same-size"],
)
async def test_a_bad_witness_is_absent_and_the_quorum_of_the_others_is_enough(
    world: WitnessedWorld, behaviour: witnesses.Send, standing: Standing
) -> None:
    await world.begin(CLOSED)
    world.both.send = behaviour
    for size in (3, 6):
        await world.act(3)
        await world.log.step()
        assert world.audited.shown[-1].size == size
        assert world.cosigners() == {"ed25519-0", "ml-dsa-0"}
    await world.step_until(lambda: world.standing(world.both) is standing)
    stored = await world.read(store.latest_checkpoint)
    assert stored.cosignatures.count(b"\n") == 2, "nothing of it is kept"


async def test_a_witness_that_does_not_know_the_log_is_not_asked_all_the_time(world: WitnessedWorld) -> None:
    await world.begin(CLOSED)
    world.both.trusted.clear()
    for _ in range(4):
        await world.act()
        await world.log.step()
    assert world.both.statuses == [404]
    assert world.standing(world.both) is Standing.REFUSES


async def test_states_are_logged_when_they_change(world: WitnessedWorld, caplog: pytest.LogCaptureFixture) -> None:
    await world.begin(CLOSED)
    with caplog.at_level(logging.INFO, logger="kms.log.witnesses.pursuit"):
        for _ in range(3):
            await world.act()
            await world.log.step()
        world.both.stop()
        for _ in range(2):
            await world.act()
            await world.log.step()
        await world.step_until(lambda: world.standing(world.both) is Standing.AWAY)
    lines = [record.getMessage() for record in caplog.records]
    assert sum("cosigns" in line for line in lines) == 3
    assert sum("does not cosign" in line for line in lines) == 1
    health = next(health for health in world.log.witnesses if health.url == world.both.url)
    assert health.last_success == world.clock.now()
    assert health.last_error
    assert health.size == 3


# Sizes and restarts


async def test_cosignatures_survive_a_restart_and_a_witness_says_its_size(world: WitnessedWorld) -> None:
    await world.begin(CLOSED)
    await world.act(3)
    await world.log.step()
    await world.step_until(lambda: world.cosigners() == EVERYBODY)
    await world.reprepare()
    await world.log.step()
    assert world.cosigners() == EVERYBODY
    await world.act(4)
    await world.log.step()
    await world.step_until(lambda: world.cosigners() == EVERYBODY)
    assert world.audited.shown[-1].size == 7
    assert world.ed25519.statuses == [200, 409, 200, 200], "409 after the restart: it says 3"
    assert world.ed25519.latest[ORIGIN].size == 7


async def test_a_signed_checkpoint_without_quorum_is_cosigned_after_a_restart(world: WitnessedWorld) -> None:
    await world.begin(CLOSED)
    for witness in world.all:
        witness.stop()
    await world.act(3)
    with pytest.raises(QuorumMissing):
        await world.log.step()
    await world.close()
    released = world.provider.signatures_released
    for witness in world.all:
        witness.start()
    await world.open()
    await world.log.start()
    assert [shown.size for shown in world.audited.shown] == [3]
    assert world.provider.signatures_released == released


async def test_the_interval_is_kept_towards_each_witness(world: WitnessedWorld) -> None:
    await world.begin(OPEN, interval_seconds=0.3)
    for _ in range(8):
        await world.act()
        await world.log.step()
        await asyncio.sleep(0.05)
    await world.step_until(lambda: world.cosigners() == EVERYBODY)
    times = world.ed25519.times
    assert 2 <= len(times) <= (times[-1] - times[0]) / 0.3 + 1.5


async def test_checkpoints_are_made_at_the_pace_of_the_witnesses(world: WitnessedWorld) -> None:
    await world.begin(CLOSED, interval_seconds=0.3)
    await world.log.start()
    began = time.monotonic()
    for _ in range(3):
        [promise] = await world.act()
        await world.log.confirm(promise, published=True)
    assert time.monotonic() - began >= 0.6
    assert world.log._checkpoints.failure is None


# Contradictions


async def lose_the_newest(world: WitnessedWorld, *, other_entries: int = 0) -> None:
    """Witnesses have size 7; then the database and the public folder are those of size 3 again."""
    await world.begin(OPEN)
    await world.act(3)
    await world.log.step()
    await world.step_until(lambda: world.cosigners() == EVERYBODY)
    await world.close()
    backup, files = world.backup(), dict(world.audited.contents)
    await world.open()
    await world.log.prepare()
    await world.act(4)
    await world.log.step()
    await world.step_until(lambda: world.cosigners() == EVERYBODY)
    await world.close()
    world.restore(backup)
    world.audited = AuditedPublicFiles(ORIGIN)
    world.audited.contents = files
    world.files = world.audited
    await world.open()
    if other_entries:
        await world.act(other_entries)
        await world.log._sequencer.drain()


async def test_a_restored_backup_is_noticed_at_start_with_proof_of_a_witness(world: WitnessedWorld) -> None:
    await lose_the_newest(world)
    world.ml_dsa.stop()
    world.both.stop()
    with pytest.raises(LogRolledBack, match="witness ed25519-0 has its signed checkpoint of size 7"):
        await world.log.prepare()


async def test_another_tree_of_a_witnessed_size_is_a_fork(world: WitnessedWorld) -> None:
    await lose_the_newest(world, other_entries=9)
    await world.log.prepare()
    with pytest.raises(LogForked, match="of size 7 with another root"):
        await world.step_until(lambda: False)
    for witness in world.all:
        assert witness.latest[ORIGIN].size == 7, "nobody cosigned the other tree"


async def test_proof_that_comes_while_the_log_runs_freezes_it(world: WitnessedWorld) -> None:
    await lose_the_newest(world, other_entries=9)
    for witness in world.all:
        witness.stop()
    await world.log.start()
    await world.log.step()
    world.ml_dsa.start()
    async with asyncio.timeout(20):
        while world.log._frozen is None:  # noqa: ASYNC110 - what callers see
            await asyncio.sleep(0.05)
    assert isinstance(world.log._frozen, LogForked)
    with pytest.raises(LogForked):
        await world.act()


@pytest.mark.parametrize("mode", [OPEN, CLOSED])
async def test_a_larger_size_without_proof_stops_nothing(
    world: WitnessedWorld, mode: WitnessMode, caplog: pytest.LogCaptureFixture
) -> None:
    await world.begin(mode)
    world.both.send = witnesses.claims(10**6)
    await world.act(3)
    await world.log.step()
    await world.step_until(lambda: world.standing(world.both) is Standing.CONTRADICTS)
    assert [record.levelname for record in caplog.records if "does not count" in record.getMessage()] == ["CRITICAL"]
    for _ in range(3):
        await world.act()
        await world.log.step()
    assert len(world.both.bodies) == 1
    await world.reprepare()
    await world.log.step()
    assert world.audited.shown[-1].size == 6


async def test_a_checkpoint_by_another_key_is_no_proof(world: WitnessedWorld) -> None:
    """The witness makes up a larger checkpoint of ours; it can not sign it."""
    await world.begin(OPEN)
    forger = witnesses.cosigning_key(ORIGIN, KeyType.ML_DSA_44)
    made_up = parse_checkpoint(f"{ORIGIN}\n1000\n{'A' * 43}=\n")
    signature = forger.sign(message_to_sign(forger.vkey, made_up, timestamp=1))
    note = bytes(Note(str(made_up), (signature_line(forger.vkey, signature, timestamp=1),)))

    def lies(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        world.both.notes[ORIGIN] = note
        witnesses.claims(1000)(handler, reply)

    world.both.send = lies
    await world.act(3)
    await world.log.step()
    await world.step_until(lambda: world.standing(world.both) is Standing.CONTRADICTS)
    health = next(health for health in world.log.witnesses if health.url == world.both.url)
    assert "no proof: no given key signed this note" in health.last_error
    await world.act(3)
    await world.log.step()
    assert world.audited.shown[-1].size == 6


async def test_two_replicas_share_witnesses_and_database(world: WitnessedWorld) -> None:
    await world.begin(CLOSED)
    files = AuditedPublicFiles(ORIGIN)
    other = world.on_same_data(files)
    await other.prepare()
    for count in (3, 250, 4):
        await world.act(count)
        await asyncio.gather(world.log._checkpoints.attempt(), other._checkpoints.attempt())
        await world.act(count)
        await world.log._checkpoints.attempt()
    await world.log._sequencer.drain()
    for log in (world.log, other):
        async with asyncio.timeout(10):
            while log.published is None or log.published.head.size != 514:
                await log._checkpoints.attempt()
    open_checkpoint_by_policy(files.contents["checkpoint"], world.policy, origin=ORIGIN)
    open_checkpoint_by_policy(world.shown, world.policy, origin=ORIGIN)
    assert {health.standing for log in (world.log, other) for health in log.witnesses} == {Standing.COSIGNS}
    rows = {head.size for head in (await _intents(world))}
    for witness in world.all:
        for body in witness.bodies:
            submitted = parse_checkpoint(parse_note(parse_add_checkpoint(body).checkpoint).text)
            assert submitted.size in rows, "only what is in the database goes out"
    await other.close()


async def test_a_witness_of_another_replicas_larger_checkpoint_is_no_contradiction(world: WitnessedWorld) -> None:
    await world.begin(OPEN)
    other = world.on_same_data(AuditedPublicFiles(ORIGIN))
    await other.prepare()
    await world.act(3)
    await world.log._sequencer.drain()
    now = world.clock.now()
    intent, _ = await world.database.write(lambda tx: intend(tx, None, now, 600))
    signer = world.log._checkpoints._signer
    behind = dataclasses.replace(intent, note=await signer.sign(intent.head, now, await world.read(signer.look)))
    await world.database.write(lambda tx: store.store_note(tx, behind.head, behind.note, now))
    await world.act(3)
    await other.step()
    async with asyncio.timeout(5):
        while [witness.latest.get(ORIGIN) and witness.latest[ORIGIN].size for witness in world.all] != [6, 6, 6]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await world.log._witnesses.cosign(behind)
    async with asyncio.timeout(5):
        while world.log.witnesses[0].size != 6:  # noqa: ASYNC110 - it was told
            await asyncio.sleep(0.01)
    assert {health.standing for health in world.log.witnesses} <= {Standing.UNKNOWN, Standing.COSIGNS}
    await other.close()


async def _intents(world: WitnessedWorld) -> list[TreeHead]:
    sizes = await world.read(lambda tx: store.checkpoint_sizes(tx, -1, 10**9))
    return [TreeHead(size, b"") for size in sizes]


async def test_a_policy_by_which_a_quorum_is_missing_is_refused_by_readers(world: WitnessedWorld) -> None:
    await world.begin(OPEN)
    for witness in world.all:
        witness.stop()
    await world.log.step()
    with pytest.raises(QuorumNotReached):
        open_checkpoint_by_policy(world.shown, world.policy, origin=ORIGIN)
