"""Whatever a vault does, its audit chain verifies; whatever is done to the chain behind an anchor, it does not."""

import io
import json
import sqlite3
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hallmark_client.device.audit import AuditBroken, AuditEntry, AuditHead, export, verify_export
from hallmark_client.device.audit.record import entry_hash
from unit.hallmark_client.device.audit.audit_world import World, record

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 4)),
        st.tuples(st.just("roll back"), st.integers(1, 3)),
        st.tuples(st.just("anchor"), st.integers(0, 3)),
        st.tuples(st.just("prune"), st.integers(0, 5)),
        st.tuples(st.just("restart"), st.just(0)),
    ),
    max_size=14,
)


def append_and_fail(world: World, count: int) -> None:
    with world.transaction() as chain:
        for _ in range(count):
            chain.append(record())
        chain.append(record(facts={"Upper": ""}))


def take(world: World, step: str, amount: int) -> World:
    if step == "append":
        world.append(amount)
    elif step == "roll back":
        with pytest.raises(ValueError, match="facts"):
            append_and_fail(world, amount)
    elif step == "anchor":
        kept = [AuditHead(size=entry.number - 1, head=entry.previous) for entry in world.chain.entries()]
        world.anchor((kept or [world.chain.head()])[-amount:][0] if amount else world.chain.head())
    elif step == "prune":
        world.prune(keep=amount)
    else:
        world = world.again()
    return world


@given(STEPS)
@example([("append", 2), ("anchor", 0), ("prune", 0), ("anchor", 0), ("prune", 0), ("restart", 0), ("append", 1)])
def test_any_life_keeps_the_chain_whole(steps: list[tuple[str, int]]) -> None:
    with TemporaryDirectory() as folder:
        world = World(Path(folder) / "index.db")
        seen = [world.chain.head()]
        for step, amount in steps:
            world = take(world, step, amount)
            head = world.chain.verify()
            assert head == world.chain.head()
            assert head.size >= seen[-1].size
            assert head.size - world.chain.start().size == len(list(world.chain.lines()))
            seen.append(head)
            for before in seen:
                if before.size >= world.chain.start().size:
                    world.chain.verify(before)
        assert verify_export(io.BytesIO(b"".join(export(world.chain)))).head == seen[-1]
        world.connection.close()


def rows(db: sqlite3.Connection) -> list[bytes]:
    return [line for (line,) in db.execute("SELECT line FROM audit_entry ORDER BY number")]


def write(db: sqlite3.Connection, lines: list[bytes], *, first: int, forged: bool) -> None:
    """Rows with matching numbers and hashes; `forged`: with each entry rewritten so that it follows the one before."""
    (start,) = db.execute("SELECT coalesce((SELECT head FROM audit_start), zeroblob(32))").fetchone()
    db.execute("DELETE FROM audit_entry")
    previous = start
    for number, written in enumerate(lines, first):
        line = written
        if forged:
            told = written.split(b'"number":')[1].split(b",")[0]
            entry = AuditEntry.parse(written, int(told))
            line = AuditEntry(number=number, previous=previous, record=entry.record).line()
        previous = entry_hash(line)
        db.execute("INSERT INTO audit_entry VALUES (?, ?, ?)", (number, line, previous))


@st.composite
def damages(draw: st.DrawFn) -> tuple[str, int, int, bool]:
    kind = draw(st.sampled_from(["change", "drop", "swap", "cut", "insert", "repeat"]))
    return kind, draw(st.integers(0, 9)), draw(st.integers(0, 9)), draw(st.booleans())


def damage(lines: list[bytes], kind: str, place: int, other: int) -> list[bytes]:
    """At `place`, counted from 0; whatever it does, an entry at or before `place` is another one, or missing."""
    hurt = list(lines)
    if kind == "change":
        hurt[place] = hurt[place].replace(b'"version":0', b'"version":1')
    elif kind == "drop":
        del hurt[place]
    elif kind == "swap":
        later = place + 1 + other % (len(lines) - place - 1) if place + 1 < len(lines) else place - 1
        hurt[place], hurt[later] = hurt[later], hurt[place]
    elif kind == "cut":
        del hurt[place:]
    elif kind == "insert":
        hurt.insert(place, AuditEntry(number=1, previous=bytes(32), record=record(777)).line())
    else:
        hurt.insert(place, lines[place + 1])
    return hurt


@given(damages(), st.booleans())
def test_any_change_behind_an_anchor_is_found(hurt: tuple[str, int, int, bool], pruned: bool) -> None:
    """Also by somebody who rewrites every hash after it: the anchored head can not be reached any more."""
    kind, place, other, forged = hurt
    world = World()
    if pruned:
        world.append(3)
        world.anchor()
        world.prune()
    first = world.chain.start().size + 1
    world.append(10 - len(rows(world.connection)))
    world.anchor()
    world.append(2)
    world.chain.verify()
    lines = rows(world.connection)
    write(world.connection, damage(lines, kind, place, other), first=first, forged=forged)
    with pytest.raises(AuditBroken):
        world.chain.verify()
    world.connection.close()


@given(st.integers(0, 2_000), st.binary(min_size=1, max_size=3), st.booleans())
def test_an_export_with_any_other_bytes_is_refused_or_leads_elsewhere(at: int, put: bytes, insert: bool) -> None:
    world = World()
    head = world.append(3)
    data = b"".join(export(world.chain))
    world.connection.close()
    at %= len(data)
    changed = data[:at] + put + data[at if insert else at + len(put) :]
    try:
        verified = verify_export(io.BytesIO(changed), heads=[head.head])
    except AuditBroken:
        return
    assert changed == data
    assert verified.head == head


@given(st.binary(max_size=300))
def test_any_bytes_are_an_export_or_audit_broken(data: bytes) -> None:
    with pytest.raises(AuditBroken):
        verify_export(io.BytesIO(data))


@given(st.binary(max_size=300), st.integers(1, 5))
def test_any_bytes_are_an_entry_or_audit_broken(line: bytes, number: int) -> None:
    with pytest.raises(AuditBroken):
        AuditEntry.parse(line, number)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**60) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.data())
def test_any_member_of_an_entry_replaced(data: st.DataObject) -> None:
    """What is read is written the same way; all else raises AuditBroken."""
    line = AuditEntry(number=1, previous=bytes(32), record=record(facts={"k": "v"})).line()
    told = json.loads(line)
    told[data.draw(st.sampled_from(sorted(told)))] = data.draw(JSON)
    changed = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )
    with suppress(AuditBroken):
        assert AuditEntry.parse(changed, 1).line() == changed
