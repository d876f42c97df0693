"""The table of snapshots, and where their files are read; nobody else touches it."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from kms.core.database import UtcTime, metadata
from kms.keys.model import ServiceSignature
from kms.log.model import LogPromise
from kms.status.model import DELTAS_KEPT, MANIFEST_CONTEXT, Snapshot

_snapshot = sa.Table(
    "status_snapshot",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("epoch", sa.LargeBinary(16), nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("issued_at", UtcTime, nullable=False),
    sa.Column("not_after", UtcTime, nullable=False),
    sa.Column("manifest", sa.LargeBinary, nullable=False),
    sa.Column("key_version", sa.String(512), nullable=False),
    sa.Column("signature", sa.LargeBinary, nullable=False),
    sa.Column("sign_time", UtcTime, nullable=False),
    sa.Column("event_key", sa.String(36), nullable=False),
    sa.Column("leaf_hash", sa.LargeBinary(32), nullable=False),
    sa.Column("entry", sa.LargeBinary, nullable=False),
    sa.Column("tlog_proof", sa.LargeBinary),
    sa.Column("published", sa.Boolean, nullable=False),
)
_base = sa.Table(
    "status_base",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("url", sa.String(2048), nullable=False),
)


def insert(tx: Connection, made: Snapshot) -> bool:
    """Compare and set: False when another replica made this number, and then nothing was written."""
    row = {
        "tenant": made.tenant,
        "number": made.number,
        "epoch": made.epoch,
        "sequence": made.sequence,
        "issued_at": made.issued_at,
        "not_after": made.not_after,
        "manifest": made.manifest,
        "key_version": made.signature.key_version,
        "signature": made.signature.signature,
        "sign_time": made.signature.sign_time,
        "event_key": made.promise.event_key,
        "leaf_hash": made.promise.leaf_hash,
        "entry": made.promise.entry,
        "published": False,
    }
    try:
        with tx.begin_nested():
            tx.execute(_snapshot.insert().values(row))
    except IntegrityError:
        return False
    return True


def newest(tx: Connection, tenant: str) -> Snapshot | None:
    query = sa.select(_snapshot).where(_snapshot.c.tenant == tenant).order_by(_snapshot.c.number.desc()).limit(1)
    row = tx.execute(query).first()
    return None if row is None else _read(row)


def kept(tx: Connection, tenant: str) -> Sequence[Snapshot]:
    """Newest first: those that deltas may lead from, and what is not published yet."""
    query = sa.select(_snapshot).where(_snapshot.c.tenant == tenant).order_by(_snapshot.c.number.desc())
    return [_read(row) for row in tx.execute(query)]


def tenants(tx: Connection) -> list[str]:
    """Those that have snapshots."""
    return list(tx.execute(sa.select(_snapshot.c.tenant).distinct()).scalars())


def unpublished(tx: Connection) -> Sequence[Snapshot]:
    """Those whose files may be missing, the older first."""
    query = (
        sa.select(_snapshot).where(_snapshot.c.published.is_(False)).order_by(_snapshot.c.tenant, _snapshot.c.number)
    )
    return [_read(row) for row in tx.execute(query)]


def choose_proof(tx: Connection, made: Snapshot, tlog_proof: bytes) -> bytes:
    """The proof that is published: this one, unless another replica chose before."""
    this = sa.and_(_snapshot.c.tenant == made.tenant, _snapshot.c.number == made.number)
    tx.execute(_snapshot.update().where(this, _snapshot.c.tlog_proof.is_(None)).values(tlog_proof=tlog_proof))
    chosen: bytes = tx.execute(sa.select(_snapshot.c.tlog_proof).where(this)).scalar_one()
    return chosen


def mark_published(tx: Connection, made: Snapshot) -> None:
    """Also forgets what no delta leads from any more."""
    this = _snapshot.c.tenant == made.tenant
    tx.execute(_snapshot.update().where(this, _snapshot.c.number == made.number).values(published=True))
    old = _snapshot.c.number < made.number - DELTAS_KEPT
    tx.execute(_snapshot.delete().where(this, old, _snapshot.c.published.is_(True)))


def base_url(tx: Connection) -> str | None:
    """The beginning of the URI of every list; None before the first."""
    url: str | None = tx.execute(sa.select(_base.c.url)).scalar()
    return url


def set_base_url(tx: Connection, url: str) -> None:
    if tx.execute(_base.update().values(url=url)).rowcount == 0:
        try:
            with tx.begin_nested():
                tx.execute(_base.insert().values(id=1, url=url))
        except IntegrityError:  # another replica starts at this moment
            tx.execute(_base.update().values(url=url))


def _read(row: sa.Row[Any]) -> Snapshot:
    return Snapshot(
        tenant=row.tenant,
        number=row.number,
        epoch=row.epoch,
        sequence=row.sequence,
        issued_at=row.issued_at,
        not_after=row.not_after,
        manifest=row.manifest,
        signature=ServiceSignature(
            key_version=row.key_version,
            signature=row.signature,
            context=MANIFEST_CONTEXT,
            sign_time=row.sign_time,
        ),
        promise=LogPromise(event_key=row.event_key, leaf_hash=row.leaf_hash, entry=row.entry),
        tlog_proof=row.tlog_proof,
        published=row.published,
    )
