"""Tables of collateral and anchors; nobody else touches them.

The archive is addressed by content: whatever a verdict rested on is found again by its SHA-256, and never deleted.
"""

import contextlib
from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from attestation.model import Format, TrustAnchor
from kms.collateral.anchors import OwnAnchor, anchor_name
from kms.collateral.model import COLLECTION, Archived, CollateralItem, CollateralKind
from kms.core.database import UtcTime, metadata
from kms.core.errors import Aborted, Reason, not_found
from kms.core.names import ChildName

_item = sa.Table(
    "collateral_item",
    metadata,
    sa.Column("owner", sa.String(63), primary_key=True),
    sa.Column("kind", sa.String(32), primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("source", sa.String(1024), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("version", sa.JSON, nullable=False),
    sa.Column("issue_time", UtcTime),
    sa.Column("next_update", UtcTime),
    sa.Column("fetch_time", UtcTime, nullable=False),
    sa.Column("update_time", UtcTime, nullable=False),
)

_archive = sa.Table(
    "collateral_archive",
    metadata,
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("value_kind", sa.String(32), primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.Column("create_time", UtcTime, nullable=False),
)

_anchor = sa.Table(
    "trust_anchor",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("spki_sha256", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(128), nullable=False),
    sa.Column("spki", sa.LargeBinary, nullable=False),
    sa.Column("formats", sa.JSON, nullable=False),
    sa.Column("uses", sa.JSON, nullable=False),
    sa.Column("common_name", sa.String(255)),
    sa.Column("is_root", sa.Boolean, nullable=False),
    sa.Column("not_before", UtcTime),
    sa.Column("not_after", UtcTime),
    sa.Column("source", sa.String(1024), nullable=False),
    sa.Column("create_time", UtcTime, nullable=False),
)

_revoked = sa.Table(
    "trust_anchor_revoked",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("spki_sha256", sa.String(64), primary_key=True),
    sa.Column("revoke_time", UtcTime, nullable=False),
)

_change = sa.Table(
    "collateral_change",
    metadata,
    sa.Column("owner", sa.String(63), primary_key=True),
    sa.Column("topic", sa.String(32), primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("change_time", UtcTime, nullable=False),
)

_progress = sa.Table(
    "reappraisal_progress",
    metadata,
    sa.Column("owner", sa.String(63), primary_key=True),
    sa.Column("topic", sa.String(32), primary_key=True),
    sa.Column("done", sa.BigInteger, nullable=False),
)


def find_item(tx: Connection, owner: str, kind: CollateralKind, key: str) -> CollateralItem | None:
    row = tx.execute(sa.select(_item).where(_at(owner, kind, key))).first()
    return None if row is None else _read_item(row)


def find_item_by_name(tx: Connection, name: ChildName) -> CollateralItem:
    """Raises the uniform not-found."""
    row = tx.execute(sa.select(_item).where(_item.c.owner == name.tenant, _item.c.id == name.id)).first()
    if row is None:
        raise not_found(str(name))
    return _read_item(row)


def save_item(tx: Connection, item: CollateralItem) -> None:
    """Puts it in force: in place of the one before, or as the first. Raises Aborted when another replica was first."""
    values = {
        "sha256": item.sha256,
        "source": item.source,
        "size": item.size,
        "version": list(item.version),
        "issue_time": item.issue_time,
        "next_update": item.next_update,
        "fetch_time": item.fetch_time,
        "update_time": item.update_time,
    }
    if tx.execute(_item.update().where(_at(item.owner, item.kind, item.key)).values(values)).rowcount == 0:
        first = {"owner": item.owner, "kind": item.kind.value, "key": item.key, "id": item.name.id}
        try:
            with tx.begin_nested():
                tx.execute(_item.insert().values(first | values))
        except IntegrityError as error:
            raise Aborted(
                Reason.ETAG_MISMATCH, "another replica took in the same piece at this moment; retry"
            ) from error


def set_fetched(tx: Connection, item: CollateralItem, *, at: datetime) -> None:
    """The same bytes were found again at its source."""
    tx.execute(_item.update().where(_at(item.owner, item.kind, item.key)).values(fetch_time=at))


def delete_item(tx: Connection, item: CollateralItem) -> None:
    tx.execute(_item.delete().where(_at(item.owner, item.kind, item.key)))


def count_items(tx: Connection, owner: str) -> int:
    return tx.execute(sa.select(sa.func.count()).where(_item.c.owner == owner)).scalar_one()


def all_items(tx: Connection) -> Sequence[CollateralItem]:
    """Everything in force, for all owners."""
    return [_read_item(row) for row in tx.execute(sa.select(_item).order_by(_item.c.owner, _item.c.kind, _item.c.key))]


def state(tx: Connection) -> object:
    """Compares equal as long as nothing here has changed. Cheap: asked every second for what other replicas did."""
    newest = tx.execute(sa.select(sa.func.count(), sa.func.max(_item.c.fetch_time))).one()
    return tuple(newest), changes(tx)


def archive(tx: Connection, piece: Archived, *, now: datetime) -> None:
    """Keeps bytes for ever; those that are there already stay."""
    row = {"sha256": piece.sha256, "value_kind": piece.value_kind}
    known = sa.and_(_archive.c.sha256 == piece.sha256, _archive.c.value_kind == piece.value_kind)
    if tx.execute(sa.select(_archive.c.sha256).where(known)).first() is None:
        with contextlib.suppress(IntegrityError), tx.begin_nested():
            tx.execute(_archive.insert().values(row | {"data": piece.data, "create_time": now}))


def find_archived(tx: Connection, value_kind: str, sha256: str) -> bytes | None:
    query = sa.select(_archive.c.data).where(_archive.c.sha256 == sha256, _archive.c.value_kind == value_kind)
    data: bytes | None = tx.execute(query).scalar()
    return data


def insert_anchor(tx: Connection, anchor: OwnAnchor) -> bool:
    """False when there is one with this key, also one that another replica adds at this moment."""
    fact = anchor.anchor
    insert = _anchor.insert().values(
        tenant=anchor.name.tenant,
        spki_sha256=fact.spki_sha256,
        name=fact.name,
        spki=fact.spki,
        formats=sorted(fact.formats),
        uses=sorted(fact.uses),
        common_name=fact.common_name,
        is_root=fact.is_root,
        not_before=fact.not_before,
        not_after=fact.not_after,
        source=fact.source,
        create_time=anchor.create_time,
    )
    try:
        with tx.begin_nested():
            tx.execute(insert)
    except IntegrityError:
        return False
    return True


def find_anchor(tx: Connection, tenant: str, spki_sha256: str) -> OwnAnchor | None:
    query = sa.select(_anchor).where(_anchor.c.tenant == tenant, _anchor.c.spki_sha256 == spki_sha256)
    row = tx.execute(query).first()
    return None if row is None else _read_anchor(row)


def delete_anchor(tx: Connection, tenant: str, spki_sha256: str) -> None:
    tx.execute(_anchor.delete().where(_anchor.c.tenant == tenant, _anchor.c.spki_sha256 == spki_sha256))


def revoke_anchor(tx: Connection, tenant: str, spki_sha256: str, *, now: datetime) -> None:
    """For ever, whether there is such an anchor or not. Called once for a key."""
    delete_anchor(tx, tenant, spki_sha256)
    if not is_revoked(tx, tenant, spki_sha256):
        tx.execute(_revoked.insert().values(tenant=tenant, spki_sha256=spki_sha256, revoke_time=now))


def is_revoked(tx: Connection, tenant: str, spki_sha256: str) -> bool:
    query = sa.select(_revoked).where(_revoked.c.tenant == tenant, _revoked.c.spki_sha256 == spki_sha256)
    return tx.execute(query).first() is not None


def all_revoked(tx: Connection) -> dict[str, frozenset[str]]:
    """Tenant -> SHA-256 of the keys that it does not trust any more."""
    found: dict[str, set[str]] = {}
    for row in tx.execute(sa.select(_revoked.c.tenant, _revoked.c.spki_sha256)):
        found.setdefault(row.tenant, set()).add(row.spki_sha256)
    return {tenant: frozenset(digests) for tenant, digests in found.items()}


def count_anchors(tx: Connection, tenant: str) -> int:
    return tx.execute(sa.select(sa.func.count()).where(_anchor.c.tenant == tenant)).scalar_one()


def all_anchors(tx: Connection) -> Sequence[OwnAnchor]:
    rows = tx.execute(sa.select(_anchor).order_by(_anchor.c.tenant, _anchor.c.spki_sha256))
    return [_read_anchor(row) for row in rows]


def count_change(tx: Connection, owner: str, topic: str, *, now: datetime) -> None:
    """Something that verdicts rest on is other than before. `topic`: a kind of collateral, "anchors" or "policy"."""
    mine = sa.and_(_change.c.owner == owner, _change.c.topic == topic)
    values = {"number": _change.c.number + 1, "change_time": now}
    if tx.execute(_change.update().where(mine).values(values)).rowcount == 0:
        with contextlib.suppress(IntegrityError), tx.begin_nested():
            tx.execute(_change.insert().values(owner=owner, topic=topic, number=1, change_time=now))
            return
        tx.execute(_change.update().where(mine).values(values))


def changes(tx: Connection) -> dict[tuple[str, str], int]:
    """(owner, topic) -> how often it changed."""
    return {(row.owner, row.topic): row.number for row in tx.execute(sa.select(_change))}


def reappraised(tx: Connection) -> dict[tuple[str, str], int]:
    """(owner, topic) -> the number of the last change after which all stored evidence was judged again."""
    return {(row.owner, row.topic): row.done for row in tx.execute(sa.select(_progress))}


def set_reappraised(tx: Connection, owner: str, topic: str, number: int) -> None:
    mine = sa.and_(_progress.c.owner == owner, _progress.c.topic == topic)
    further = sa.and_(mine, _progress.c.done < number)
    if tx.execute(sa.select(_progress.c.done).where(mine)).first() is None:
        with contextlib.suppress(IntegrityError), tx.begin_nested():
            tx.execute(_progress.insert().values(owner=owner, topic=topic, done=number))
    tx.execute(_progress.update().where(further).values(done=number))


def _at(owner: str, kind: CollateralKind, key: str) -> sa.ColumnElement[bool]:
    return sa.and_(_item.c.owner == owner, _item.c.kind == kind.value, _item.c.key == key)


def _read_item(row: sa.Row[tuple[object, ...]]) -> CollateralItem:
    return CollateralItem(
        name=ChildName(row.owner, COLLECTION, row.id),
        kind=CollateralKind(row.kind),
        key=row.key,
        sha256=row.sha256,
        source=row.source,
        size=row.size,
        version=tuple(row.version),
        issue_time=row.issue_time,
        next_update=row.next_update,
        fetch_time=row.fetch_time,
        update_time=row.update_time,
    )


def _read_anchor(row: sa.Row[tuple[object, ...]]) -> OwnAnchor:
    fact = TrustAnchor(
        name=row.name,
        formats=frozenset(map(Format, row.formats)),
        spki=row.spki,
        source=row.source,
        not_before=row.not_before,
        not_after=row.not_after,
        uses=frozenset(row.uses),
        common_name=row.common_name,
        is_root=row.is_root,
    )
    return OwnAnchor(name=anchor_name(row.tenant, fact), anchor=fact, create_time=row.create_time)
