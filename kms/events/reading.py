"""Answers to readers of feeds: what to send from where they stand, in one snapshot of the database.

Many readers are answered by one transaction: thousands come back at the same moment, and each alone would cost as many
queries as all of them together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.events import history
from kms.events.listings import Listing, anchors, listings
from kms.events.model import ALL, Event, Placed, Position
from kms.events.resuming import CHANGES_MAX, Facts, HistoryLost, Resumption, Start, Transfer, Why, resume
from kms.events.tables import feed

QUESTIONS_MAX = 256
"""In one transaction."""
GATHERED_SECONDS = 0.02
"""The least time between two of them: who comes in a storm waits for others, not each for a transaction of its own."""


@dataclass(frozen=True, slots=True)
class Question:
    """At most `limit` events. Equal questions that are asked together have one answer."""

    start: Start
    limit: int


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a feed: sequence and state digest (32 bytes) there."""

    sequence: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """The events bring the reader from `before` to `after`. `head` is there when nothing remains to be sent.

    `goes_on`: they belong to a full transfer that an earlier answer began. `end`: of the feed, when this was read.
    """

    transfer: Transfer
    why: Why
    goes_on: bool
    before: Position
    after: Position
    events: Sequence[Placed]
    end: int
    head: Head | None


@dataclass(frozen=True, slots=True)
class Lost:
    """Nothing can be answered before a new history begins. `epoch` names the one that lost events; empty: none."""

    tenant: str
    epoch: bytes


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is sent, before its events are read."""

    resumption: Resumption
    before: Position
    rows: Sequence[tuple[int, str]]
    end: int
    head: Head | None

    def answer(self, events: Mapping[str, Event]) -> Answer:
        placed = [Placed(sequence, events[event]) for sequence, event in self.rows]
        after = placed[-1].position(self.before) if placed else self.before
        what = self.resumption
        return Answer(what.transfer, what.why, what.goes_on, self.before, after, placed, self.end, self.head)


def answer_all(tx: Connection, questions: Sequence[Question]) -> list[Answer | Lost]:
    """In the order of the questions, which are all different."""
    by_tenant: dict[str, list[Question]] = {}
    for question in questions:
        by_tenant.setdefault(question.start.tenant, []).append(question)
    found: dict[Question, Answer | Lost] = {}
    for tenant, asked in by_tenant.items():
        found |= zip(asked, _answer_tenant(tx, tenant, asked), strict=True)
    return [found[question] for question in questions]


def _answer_tenant(tx: Connection, tenant: str, questions: Sequence[Question]) -> list[Answer | Lost]:
    names = {question.start.feed for question in questions}
    query = sa.select(feed).where(feed.c.tenant == tenant, feed.c.name.in_({ALL, *names}))
    ends = {row.name: row for row in tx.execute(query)}
    if ALL not in ends:
        return [Lost(tenant, b"")] * len(questions)
    epoch = ends[ALL].epoch
    found = anchors(tx, [question.start.position for question in questions if question.start.position is not None])
    by_name = listings(tx, tenant, names)
    plans: list[_Plan | None] = []
    for question in questions:
        name, at = question.start.feed, question.start.position
        anchor = None if at is None else found.get((name, at.sequence))
        end = ends[name].sequence if name in ends else 0
        plans.append(_plan(question, by_name[name], epoch=epoch, end=end, anchor=anchor))
    wanted = {event for plan in plans if plan is not None for _, event in plan.rows}
    events = history.find_events(tx, wanted)
    return [Lost(tenant, epoch) if plan is None else plan.answer(events) for plan in plans]


def _plan(question: Question, listing: Listing, *, epoch: bytes, end: int, anchor: bytes | None) -> _Plan | None:
    """None when the history has lost events."""
    start = question.start

    def changed(sequence: int) -> int:
        return len(listing.after(sequence, CHANGES_MAX + 1))

    try:
        resumption = resume(start, Facts(epoch, end, anchor, listing.digest, changed))
    except HistoryLost:
        return None
    rows = listing.after(resumption.after, question.limit) if resumption.after < end else []
    is_all = len(rows) < question.limit or rows[-1][0] == end
    head = Head(end, listing.digest()) if is_all else None
    before = start.position
    if before is None or before.epoch != epoch or before.sequence != resumption.after:
        before = Position(start.tenant, start.feed, epoch, resumption.after)
    return _Plan(resumption, before, rows, end, head)
