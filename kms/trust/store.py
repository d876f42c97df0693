"""Tables of trust bundles and of who has them; nobody else touches them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from kms.core.database import UtcTime, metadata
from kms.core.names import KeyVersionName
from kms.keys.changes import changes_by_tenant
from kms.keys.model import SYSTEM_TENANT, ServiceSignature
from kms.log.model import LogPromise
from kms.trust.model import Coverage, TrustBundle

KEPT = 20
"""Published bundles kept in the table for each tenant; the public files keep all."""

_bundle = sa.Table(
    "trust_bundle",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("key_version", sa.String(512), nullable=False),
    sa.Column("signature", sa.LargeBinary, nullable=False),
    sa.Column("sign_time", UtcTime, nullable=False),
    sa.Column("context", sa.String(255), nullable=False),
    sa.Column("event_key", sa.String(64), nullable=False),
    sa.Column("leaf_hash", sa.LargeBinary(32), nullable=False),
    sa.Column("entry", sa.LargeBinary, nullable=False),
    sa.Column("own_changes", sa.BigInteger, nullable=False),
    sa.Column("system_changes", sa.BigInteger, nullable=False),
    sa.Column("next_change_time", UtcTime, nullable=False),
    sa.Column("published", sa.Boolean, nullable=False),
)
_version = sa.Table(
    "trust_bundle_version",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("version", sa.String(512), primary_key=True),
    # The first bundle of the tenant that holds the version.
    sa.Column("sequence", sa.BigInteger, nullable=False),
    # Since when a public file shows it.
    sa.Column("publish_time", UtcTime),
)
_acknowledgement = sa.Table(
    "trust_acknowledgement",
    metadata,
    sa.Column("tenant", sa.String(63), primary_key=True),
    sa.Column("client", sa.String(512), primary_key=True),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("time", UtcTime, nullable=False, index=True),
)


def latest_sequence(tx: Connection, tenant: str) -> int:
    """0 before the first bundle."""
    newest = sa.select(sa.func.max(_bundle.c.sequence)).where(_bundle.c.tenant == tenant)
    return int(tx.execute(newest).scalar() or 0)


def find_latest(tx: Connection, tenant: str) -> tuple[TrustBundle, Coverage] | None:
    query = sa.select(_bundle).where(_bundle.c.tenant == tenant).order_by(_bundle.c.sequence.desc()).limit(1)
    row = tx.execute(query).first()
    return None if row is None else (_read(row), _coverage(row))


def coverages(tx: Connection) -> dict[str, Coverage]:
    """Tenant -> what its newest bundle shows."""
    newest = sa.select(_bundle.c.tenant, sa.func.max(_bundle.c.sequence).label("sequence")).group_by(_bundle.c.tenant)
    latest = newest.subquery()
    columns = (
        _bundle.c.tenant,
        _bundle.c.own_changes,
        _bundle.c.system_changes,
        _bundle.c.sign_time,
        _bundle.c.next_change_time,
    )
    same = sa.and_(_bundle.c.tenant == latest.c.tenant, _bundle.c.sequence == latest.c.sequence)
    return {row.tenant: _coverage(row) for row in tx.execute(sa.select(*columns).join(latest, same))}


def insert_bundle(tx: Connection, bundle: TrustBundle, coverage: Coverage, versions: Iterable[KeyVersionName]) -> None:
    """Raises IntegrityError when another replica made this sequence meanwhile. `versions`: all that it holds."""
    tx.execute(
        _bundle.insert().values(
            tenant=bundle.tenant,
            sequence=bundle.sequence,
            payload=bundle.payload,
            key_version=bundle.signature.key_version,
            signature=bundle.signature.signature,
            sign_time=bundle.signature.sign_time,
            context=bundle.signature.context,
            event_key=bundle.promise.event_key,
            leaf_hash=bundle.promise.leaf_hash,
            entry=bundle.promise.entry,
            own_changes=coverage.own,
            system_changes=coverage.system,
            next_change_time=coverage.next_change_time,
            published=False,
        )
    )
    known = set(tx.execute(sa.select(_version.c.version).where(_version.c.tenant == bundle.tenant)).scalars())
    new = [{"tenant": bundle.tenant, "version": name, "sequence": bundle.sequence} for name in map(str, versions)]
    new = [row for row in new if row["version"] not in known]
    if new:
        tx.execute(_version.insert(), new)


def first_sequence(tx: Connection, tenant: str, version: KeyVersionName) -> int:
    """Of the bundles of a tenant the first that holds the version; 0 when none does."""
    query = sa.select(_version.c.sequence).where(_version.c.tenant == tenant, _version.c.version == str(version))
    return int(tx.execute(query).scalar() or 0)


def publish_time(tx: Connection, version: KeyVersionName) -> datetime | None:
    """Since when everybody can find the version in a public bundle; None: not yet.

    One of the service stands in the bundles of all tenants: then it is the latest time, but for tenants that had no
    bundle without it.
    """
    tenants = set(changes_by_tenant(tx)) if version.tenant == SYSTEM_TENANT else {version.tenant}
    columns = (_version.c.tenant, _version.c.sequence, _version.c.publish_time)
    shown = tx.execute(sa.select(*columns).where(_version.c.tenant.in_(tenants), _version.c.version == str(version)))
    times: dict[str, tuple[datetime, bool]] = {
        row.tenant: (row.publish_time, row.sequence > 1) for row in shown if row.publish_time is not None
    }
    if not tenants or times.keys() != tenants:
        return None
    waited_for = [time for time, had_others in times.values() if had_others]
    return max(waited_for or [time for time, _ in times.values()])


def unpublished(tx: Connection, limit: int = 100) -> Sequence[TrustBundle]:
    """Those whose public file may be missing, in the order of each tenant."""
    query = sa.select(_bundle).where(_bundle.c.published.is_(False)).order_by(_bundle.c.tenant, _bundle.c.sequence)
    return [_read(row) for row in tx.execute(query.limit(limit))]


def mark_published(tx: Connection, bundle: TrustBundle, now: datetime) -> None:
    """Also forgets what is old, and times that a clock wrote while it was ahead."""
    this = _bundle.c.tenant == bundle.tenant
    tx.execute(_bundle.update().where(this, _bundle.c.sequence == bundle.sequence).values(published=True))
    unseen = sa.or_(_version.c.publish_time.is_(None), _version.c.publish_time > now)
    held = sa.and_(_version.c.tenant == bundle.tenant, _version.c.sequence <= bundle.sequence)
    tx.execute(_version.update().where(held, unseen).values(publish_time=now))
    old = _bundle.c.sequence <= bundle.sequence - KEPT
    tx.execute(_bundle.delete().where(this, old, _bundle.c.published.is_(True)))


def acknowledge(tx: Connection, tenant: str, client: str, sequence: int, now: datetime) -> None:
    """What a client has never gets less: an acknowledgement that came late changes only the time."""
    had = _acknowledgement.c.sequence
    noted = (
        _acknowledgement.update()
        .where(_acknowledgement.c.tenant == tenant, _acknowledgement.c.client == client)
        .values(sequence=sa.case((had < sequence, sequence), else_=had), time=now)
    )
    if tx.execute(noted).rowcount:
        return
    try:
        with tx.begin_nested():
            tx.execute(_acknowledgement.insert().values(tenant=tenant, client=client, sequence=sequence, time=now))
    except IntegrityError:  # the same client, through another replica
        tx.execute(noted)


def forget_acknowledgements(tx: Connection, before: datetime) -> int:
    return tx.execute(_acknowledgement.delete().where(_acknowledgement.c.time < before)).rowcount


def count_clients(tx: Connection, tenant: str, sequence: int, since: datetime) -> tuple[int, int]:
    """Clients that acknowledged anything since then, and those of them that have the bundle or a newer one."""
    has = sa.func.sum(sa.case((_acknowledgement.c.sequence >= sequence, 1), else_=0))
    row = tx.execute(sa.select(sa.func.count(), has).where(*_seen(tenant, since))).one()
    return int(row[0]), int(row[1] or 0)


def clients_without(tx: Connection, tenant: str, sequence: int, since: datetime, limit: int) -> Sequence[str]:
    query = sa.select(_acknowledgement.c.client).where(*_seen(tenant, since), _acknowledgement.c.sequence < sequence)
    return list(tx.execute(query.order_by(_acknowledgement.c.client).limit(limit)).scalars())


def _seen(tenant: str, since: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return _acknowledgement.c.tenant == tenant, _acknowledgement.c.time >= since


def _coverage(row: Any) -> Coverage:
    return Coverage(row.own_changes, row.system_changes, row.sign_time, row.next_change_time)


def _read(row: sa.Row[Any]) -> TrustBundle:
    return TrustBundle(
        tenant=row.tenant,
        sequence=row.sequence,
        payload=row.payload,
        signature=ServiceSignature(
            key_version=row.key_version, signature=row.signature, context=row.context, sign_time=row.sign_time
        ),
        promise=LogPromise(event_key=row.event_key, leaf_hash=row.leaf_hash, entry=row.entry),
    )
