"""Reading and writing releases; holders are in holder_store.py, anchors of audit chains in anchor_store.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.artifacts import store as artifact_store
from kms.artifacts.model import ModelName
from kms.consent.model import ArtifactKind
from kms.core.names import DigestName, KeyVersionName
from kms.events.model import Status
from kms.events.store import insert_if_first
from kms.releases.model import COLLECTION, Listed, Release, ReleaseState, SealedKey, state_of
from kms.releases.tables import release, release_model


@dataclass(frozen=True, slots=True)
class After:
    """Where a page begins: behind this release, greatest epoch first."""

    epoch: int
    id: str


def lock_model(tx: Connection, model: ModelName) -> int:
    """The greatest epoch of the model so far, 0 before the first; nobody else adds to it before the commit."""
    named = sa.and_(release_model.c.tenant == model.tenant, release_model.c.model == model.model)
    query = sa.select(release_model.c.epoch).where(named).with_for_update()
    row = tx.execute(query).first()
    if row is None:
        insert_if_first(tx, release_model.insert().values(tenant=model.tenant, model=model.model, epoch=0))
        row = tx.execute(query).one()
    return int(row.epoch)


def insert(tx: Connection, made: Release) -> None:
    """After `lock_model`; the caller has seen that the epoch is greater than what that gave."""
    key = made.content_key
    tx.execute(
        release.insert().values(
            tenant=made.name.tenant,
            id=made.name.digest,
            model=made.model.model,
            version=made.version,
            epoch=made.epoch,
            minimum_epoch=made.minimum_epoch,
            kind=made.kind.value,
            index_sha256=made.index_sha256,
            key=key.key_version.key,
            key_version=key.key_version.version,
            envelope=key.envelope,
            envelope_info=key.info,
            requires_consent=made.requires_consent,
            creator=made.creator,
            create_time=made.create_time,
            removal_due=False,
        )
    )
    named = sa.and_(release_model.c.tenant == made.model.tenant, release_model.c.model == made.model.model)
    tx.execute(release_model.update().where(named).values(epoch=made.epoch))


def find(tx: Connection, name: DigestName) -> Release | None:
    row = tx.execute(sa.select(release).where(_named(name))).first()
    return None if row is None else _read(row)


def state(tx: Connection, found: Release) -> ReleaseState:
    """What may be done with it now."""
    said, minimum = artifact_store.find(tx, found.artifact), artifact_store.find(tx, found.model)
    artifact = Status.VALID if said is None else said.state
    return state_of(found.epoch, artifact, 0 if minimum is None else minimum.minimum_version)


def list_releases(
    tx: Connection, tenant: str, *, model: ModelName | None, after: After | None, limit: int
) -> Sequence[Listed]:
    """Greatest epoch first; of one model, or of all."""
    query = sa.select(release).where(release.c.tenant == tenant)
    if model is not None:
        query = query.where(release.c.model == model.model)
    if after is not None:
        same = sa.and_(release.c.epoch == after.epoch, release.c.id > after.id)
        query = query.where(sa.or_(release.c.epoch < after.epoch, same))
    rows = tx.execute(query.order_by(release.c.epoch.desc(), release.c.id).limit(limit))
    return _with_states(tx, tenant, [_read(row) for row in rows])


def set_removal_due(tx: Connection, name: DigestName, *, due: bool) -> None:
    """Nothing where there is no such release."""
    tx.execute(release.update().where(_named(name)).values(removal_due=due))


def removals_due(tx: Connection, *, limit: int) -> list[Release]:
    query = sa.select(release).where(release.c.removal_due == sa.true()).order_by(release.c.tenant, release.c.id)
    return [_read(row) for row in tx.execute(query.limit(limit))]


def _with_states(tx: Connection, tenant: str, found: Sequence[Release]) -> list[Listed]:
    blocked = artifact_store.blocked(tx, tenant, [each.name.digest for each in found])
    minimum: dict[ModelName, int] = {}
    for model in {each.model for each in found}:
        said = artifact_store.find(tx, model)
        minimum[model] = 0 if said is None else said.minimum_version
    return [
        Listed(each, state_of(each.epoch, blocked.get(each.name.digest, Status.VALID), minimum[each.model]))
        for each in found
    ]


def _named(name: DigestName) -> sa.ColumnElement[bool]:
    return sa.and_(release.c.tenant == name.tenant, release.c.id == name.digest)


def _read(row: sa.Row[Any]) -> Release:
    return Release(
        name=DigestName(row.tenant, COLLECTION, row.id),
        model=ModelName(row.tenant, row.model),
        version=row.version,
        epoch=row.epoch,
        minimum_epoch=row.minimum_epoch,
        kind=ArtifactKind(row.kind),
        index_sha256=row.index_sha256,
        content_key=SealedKey(
            key_version=KeyVersionName(row.tenant, row.key, row.key_version),
            envelope=row.envelope,
            info=row.envelope_info,
        ),
        requires_consent=row.requires_consent,
        creator=row.creator,
        create_time=row.create_time,
    )
