import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from hallmark_client.device.audit import NO_ENTRIES, AuditAct, AuditBroken, AuditChain, AuditHead
from hallmark_client.device.audit.record import entry_hash
from hallmark_events.trust import LogEvidence
from unit.hallmark_client.device.audit.audit_world import POLICY, START, World, anchored_in_log, record


@pytest.fixture
def world(tmp_path: Path):
    made = World(tmp_path / "index.db")
    yield made
    made.connection.close()


def test_a_new_chain_is_empty(world: World) -> None:
    assert world.chain.head() == world.chain.start() == world.chain.verify() == NO_ENTRIES
    assert world.chain.entries() == ()


def test_each_entry_names_the_one_before(world: World) -> None:
    head = world.append(3)
    one, two, three = world.chain.entries()
    assert (one.previous, one.record) == (bytes(32), record(1))
    assert two.previous == entry_hash(one.line())
    assert three.previous == entry_hash(two.line())
    assert head == world.chain.head() == AuditHead(size=3, head=entry_hash(three.line()))
    assert world.chain.entries(after=1, limit=1) == (two,)


def test_it_goes_on_after_a_restart(world: World) -> None:
    before = world.append(2)
    after = world.again()
    assert after.chain.head() == before
    after.append()
    assert after.chain.verify(before).size == 3
    after.connection.close()


def test_a_transaction_that_is_rolled_back_takes_its_entries_with_it(world: World) -> None:
    before = world.append(2)
    with pytest.raises(ValueError, match="facts"), world.transaction() as chain:
        chain.append(record(chain.append(record(3)).size, facts={"Upper": ""}))
    assert world.chain.verify() == before
    assert world.append() == world.chain.verify()


def test_it_is_written_inside_a_transaction_only(world: World) -> None:
    for write in (
        lambda: world.chain.append(record()),
        lambda: world.chain.remember_anchor(NO_ENTRIES, LogEvidence()),
        lambda: world.chain.prune(keep=0, time=START, boot_seconds=0),
    ):
        with pytest.raises(RuntimeError):
            write()


def forge(connection: sqlite3.Connection, number: int) -> None:
    """Somebody who knows the format and may write the file: entry `number` changed, and every hash after it."""
    lines = [line for (line,) in connection.execute("SELECT line FROM audit_entry ORDER BY number")]
    lines[number - 1] = lines[number - 1].replace(b"model", b"other")
    for place in range(number, len(lines) + 1):
        if place > number:
            before = entry_hash(lines[place - 2]).hex().encode()
            at = lines[place - 1].index(b'"previous":"') + len(b'"previous":"')
            lines[place - 1] = lines[place - 1][:at] + before + lines[place - 1][at + 64 :]
        row = (lines[place - 1], entry_hash(lines[place - 1]), place)
        connection.execute("UPDATE audit_entry SET line = ?, hash = ? WHERE number = ?", row)


DAMAGE: dict[str, tuple[int, Callable[[sqlite3.Connection], object]]] = {
    "a changed entry": (3, lambda db: db.execute("UPDATE audit_entry SET line = CAST(replace(CAST(line AS TEXT), 'model', 'other') AS BLOB) WHERE number = 3")),
    "a dropped entry": (3, lambda db: db.execute("DELETE FROM audit_entry WHERE number = 3")),
    "the first dropped": (1, lambda db: db.execute("DELETE FROM audit_entry WHERE number = 1")),
    "cut off behind the anchor": (5, lambda db: db.execute("DELETE FROM audit_entry WHERE number >= 5")),
    "all dropped": (1, lambda db: db.execute("DELETE FROM audit_entry")),
    "the start set later": (2, lambda db: db.execute("INSERT INTO audit_start SELECT 1, number, hash FROM audit_entry WHERE number = 2")),
    "forged to its end": (6, lambda db: forge(db, 3)),
    "a hash changed": (4, lambda db: db.execute("UPDATE audit_entry SET hash = zeroblob(32) WHERE number = 4")),
    "the last hash changed": (8, lambda db: db.execute("UPDATE audit_entry SET hash = zeroblob(32) WHERE number = 8")),
    "numbers moved": (2, lambda db: db.execute("UPDATE audit_entry SET number = number + 90 WHERE number > 1")),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found_with_its_place(world: World, damage: str) -> None:
    world.append(6)
    world.anchor()
    world.append(2)
    world.chain.verify()
    number, hurt = DAMAGE[damage]
    hurt(world.connection)
    with pytest.raises(AuditBroken) as caught:
        world.chain.verify()
    assert caught.value.number == number


def test_two_entries_that_changed_places(world: World) -> None:
    world.append(4)
    world.connection.execute(
        "UPDATE audit_entry SET line = (SELECT line FROM audit_entry AS other WHERE other.number = 5 - audit_entry.number)"
        " WHERE number IN (2, 3)"
    )
    with pytest.raises(AuditBroken) as caught:
        world.chain.verify()
    assert caught.value.number == 2


def test_a_head_that_was_seen_must_be_passed(world: World) -> None:
    seen = world.append(3)
    world.append(2)
    assert world.chain.verify(seen).size == 5
    for other in (AuditHead(size=3, head=bytes(32)), AuditHead(size=9, head=seen.head)):
        with pytest.raises(AuditBroken):
            world.chain.verify(other)


def test_only_a_head_of_this_chain_becomes_an_anchor(world: World) -> None:
    head = world.append(3)
    for other in (AuditHead(size=2, head=head.head), AuditHead(size=4, head=head.head)):
        with pytest.raises(AuditBroken), world.transaction() as chain:
            chain.remember_anchor(other, LogEvidence(b"entry", b"proof"))
    assert world.chain.anchors() == ()


def test_the_proof_of_an_anchor_is_checked(world: World) -> None:
    head = world.append(3)
    with world.transaction() as chain:
        chain.remember_anchor(head, anchored_in_log(head), log=POLICY)
    assert world.chain.verify(log=POLICY) == head
    for evidence in (
        LogEvidence(),
        anchored_in_log(head, size=4),
        anchored_in_log(head, named="00" * 32),
        anchored_in_log(head, kind="device.audit-diverged"),
        LogEvidence(anchored_in_log(head).entry, anchored_in_log(AuditHead(size=1, head=head.head)).tlog_proof),
    ):
        with pytest.raises(AuditBroken), world.transaction() as chain:
            chain.remember_anchor(head, evidence, log=POLICY)
        world.anchor(head, evidence)
        with pytest.raises(AuditBroken):
            world.chain.verify(log=POLICY)


class TestPruning:
    def test_drops_what_is_behind_the_latest_anchor_that_leaves_enough(self, world: World) -> None:
        world.append(5)
        first = world.anchor()
        world.append(5)
        world.anchor()
        assert world.prune(keep=3) == first == world.chain.start()
        entries = world.chain.entries()
        assert [entry.number for entry in entries] == [6, 7, 8, 9, 10, 11]
        assert (entries[-1].record.act, entries[-1].record.facts) == (
            AuditAct.PRUNED,
            {"head": first.head.hex(), "size": "5"},
        )
        assert world.chain.verify(first).size == 11

    def test_without_an_anchor_nothing_is_dropped(self, world: World) -> None:
        before = world.append(5)
        assert world.prune() is None
        world.anchor(world.chain.head())
        assert world.prune(keep=1) is None
        assert world.chain.verify() == before

    def test_again_and_again(self, world: World) -> None:
        for _ in range(4):
            world.append(5)
            head = world.anchor()
            assert world.prune() == head
            assert len(world.chain.entries()) == 1
            assert world.chain.verify().size == head.size + 1

    def test_everything_may_go_but_the_entry_that_says_so(self, world: World) -> None:
        world.append(5)
        world.anchor()
        world.prune()
        world.connection.execute("DELETE FROM audit_entry")
        assert world.chain.head() == world.chain.start()
        with pytest.raises(AuditBroken, match="none says that they were dropped"):
            world.chain.verify()

    def test_a_broken_chain_is_not_made_good_by_cutting(self, world: World) -> None:
        world.append(5)
        world.anchor()
        world.connection.execute("DELETE FROM audit_entry WHERE number = 2")
        with pytest.raises(AuditBroken):
            world.prune()
        assert world.chain.start() == NO_ENTRIES

    def test_a_start_without_its_anchor(self, world: World) -> None:
        world.append(5)
        world.anchor()
        world.prune()
        world.connection.execute("DELETE FROM audit_anchor")
        with pytest.raises(AuditBroken, match="no anchor"):
            world.chain.verify()

    def test_an_anchor_before_the_start_counts_no_more(self, world: World) -> None:
        head = world.append(5)
        world.anchor()
        world.append(5)
        world.anchor()
        world.prune()
        assert [anchor.at.size for anchor in world.chain.anchors()] == [10]
        with pytest.raises(AuditBroken):
            world.chain.verify(head)


def test_pages_are_read_to_their_end(world: World) -> None:
    head = world.append(2_345)
    assert len(list(world.chain.lines())) == 2_345
    assert world.chain.verify() == head
    assert AuditChain(world.connection).head() == head
