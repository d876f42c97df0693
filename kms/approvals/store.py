"""Tables of proposals and approvals; nobody else touches them."""

from collections.abc import Sequence
from datetime import datetime
from typing import assert_never

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.approvals.model import Approval, Person, PlannedAct, Proposal, ProposalState, ProposedAct, Terms
from kms.core.database import UtcTime, metadata
from kms.core.errors import not_found
from kms.core.names import ChildName
from kms.log.model import LogPromise

COLLECTION = "proposals"

_proposal = sa.Table(
    "proposal",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("act", sa.String(32), nullable=False),
    sa.Column("subject", sa.String(512), nullable=False),
    sa.Column("parameters_sha256", sa.LargeBinary(32), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("proposer", sa.String(512), nullable=False),
    sa.Column("proposer_key_sha256", sa.LargeBinary(32), nullable=False),
    sa.Column("create_time", UtcTime, nullable=False),
    sa.Column("expire_time", UtcTime, nullable=False),
    sa.Column("needed", sa.Integer, nullable=False),
    sa.Column("given", sa.Integer, nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("reject_time", UtcTime),
    sa.Column("execute_time", UtcTime),
    sa.Column("event_key", sa.String(36), nullable=False),
    sa.Column("leaf_hash", sa.LargeBinary(32), nullable=False),
    sa.Column("entry", sa.LargeBinary, nullable=False),
)

_approval = sa.Table(
    "proposal_approval",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("proposal", sa.String(36), primary_key=True),
    sa.Column("approver", sa.String(512), primary_key=True),
    sa.Column("approver_key_sha256", sa.LargeBinary(32), nullable=False),
    sa.Column("approve_time", UtcTime, nullable=False),
    sa.Column("signature", sa.LargeBinary, nullable=False),
    sa.ForeignKeyConstraint(["tenant", "proposal"], ["proposal.tenant", "proposal.id"], name="proposal_approval_of"),
    sa.UniqueConstraint("tenant", "proposal", "approver_key_sha256", name="proposal_approval_one_key_once"),
)


def insert(tx: Connection, proposal: Proposal) -> None:
    terms = proposal.terms
    tx.execute(
        _proposal.insert().values(
            tenant=terms.name.tenant,
            id=terms.name.id,
            act=terms.planned.act,
            subject=terms.planned.subject,
            parameters_sha256=terms.planned.parameters_sha256,
            reason=terms.reason,
            proposer=terms.proposer.spiffe_id,
            proposer_key_sha256=terms.proposer.key_sha256,
            create_time=terms.create_time,
            expire_time=terms.expire_time,
            needed=terms.needed,
            given=0,
            payload=proposal.payload,
            **_promise_columns(proposal.promise),
        )
    )


def get(tx: Connection, name: ChildName) -> Proposal:
    """Raises the uniform not-found."""
    row = tx.execute(sa.select(_proposal).where(_is(name))).first()
    if row is None:
        raise not_found(str(name))
    return _read(tx, row)


def lock(tx: Connection, name: ChildName) -> Proposal:
    """Like `get`, held against other writers until the commit (an update takes the row's lock on every engine)."""
    tx.execute(_proposal.update().where(_is(name)).values(given=_proposal.c.given))
    return get(tx, name)


def add_approval(tx: Connection, proposal: Proposal, approval: Approval, promise: LogPromise) -> None:
    """Lock the proposal first."""
    tx.execute(
        _approval.insert().values(
            tenant=proposal.name.tenant,
            proposal=proposal.name.id,
            approver=approval.approver.spiffe_id,
            approver_key_sha256=approval.approver.key_sha256,
            approve_time=approval.approve_time,
            signature=approval.signature,
        )
    )
    _update(tx, proposal.name, promise, given=_proposal.c.given + 1)


def set_rejected(tx: Connection, name: ChildName, promise: LogPromise, *, now: datetime) -> None:
    _update(tx, name, promise, reject_time=now)


def set_executed(tx: Connection, name: ChildName, promise: LogPromise, *, now: datetime) -> None:
    _update(tx, name, promise, execute_time=now)


def newest(
    tx: Connection, tenant: str, *, before: str, limit: int, state: ProposalState | None, now: datetime
) -> Sequence[Proposal]:
    """Newest first (ids are UUIDv7), beginning after the id `before`; only those in `state` now, when it is given."""
    query = sa.select(_proposal).where(_proposal.c.tenant == tenant)
    if before:
        query = query.where(_proposal.c.id < before)
    if state is not None:
        query = query.where(_in_state(state, now))
    return [_read(tx, row) for row in tx.execute(query.order_by(_proposal.c.id.desc()).limit(limit)).all()]


def _in_state(state: ProposalState, now: datetime) -> sa.ColumnElement[bool]:
    """The same rule as Proposal.state, for rows."""
    row = _proposal.c
    undone = sa.and_(row.execute_time.is_(None), row.reject_time.is_(None))
    alive = sa.and_(undone, row.expire_time > now)
    match state:
        case ProposalState.EXECUTED:
            return row.execute_time.is_not(None)
        case ProposalState.REJECTED:
            return row.reject_time.is_not(None)
        case ProposalState.EXPIRED:
            return sa.and_(undone, row.expire_time <= now)
        case ProposalState.APPROVED:
            return sa.and_(alive, row.given >= row.needed)
        case ProposalState.OPEN:
            return sa.and_(alive, row.given < row.needed)
        case _:
            assert_never(state)


def _is(name: ChildName) -> sa.ColumnElement[bool]:
    return sa.and_(_proposal.c.tenant == name.tenant, _proposal.c.id == name.id)


def _update(tx: Connection, name: ChildName, promise: LogPromise, **values: object) -> None:
    tx.execute(_proposal.update().where(_is(name)).values(**values, **_promise_columns(promise)))


def _promise_columns(promise: LogPromise) -> dict[str, object]:
    return {"event_key": promise.event_key, "leaf_hash": promise.leaf_hash, "entry": promise.entry}


def _read(tx: Connection, row: sa.Row[tuple[object, ...]]) -> Proposal:
    terms = Terms(
        name=ChildName(row.tenant, COLLECTION, row.id),
        planned=PlannedAct(act=ProposedAct(row.act), subject=row.subject, parameters_sha256=row.parameters_sha256),
        reason=row.reason,
        proposer=Person(row.proposer, row.proposer_key_sha256),
        create_time=row.create_time,
        expire_time=row.expire_time,
        needed=row.needed,
    )
    return Proposal(
        terms=terms,
        payload=row.payload,
        promise=LogPromise(event_key=row.event_key, leaf_hash=row.leaf_hash, entry=row.entry),
        reject_time=row.reject_time,
        execute_time=row.execute_time,
        approvals=_approvals(tx, terms.name),
    )


def _approvals(tx: Connection, name: ChildName) -> tuple[Approval, ...]:
    given = sa.and_(_approval.c.tenant == name.tenant, _approval.c.proposal == name.id)
    rows = tx.execute(sa.select(_approval).where(given).order_by(_approval.c.approve_time, _approval.c.approver))
    return tuple(
        Approval(
            approver=Person(row.approver, row.approver_key_sha256),
            approve_time=row.approve_time,
            signature=row.signature,
        )
        for row in rows
    )
